"""What clients may read: the state of an event, and lists of events."""
