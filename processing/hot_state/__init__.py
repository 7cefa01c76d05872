"""All that writes Redis: what it holds of the events, written after the commit and rebuilt from Postgres."""
