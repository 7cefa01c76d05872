"""Can this process do its work, and what is wrong elsewhere? Each service is asked in bounded time."""
