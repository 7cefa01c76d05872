"""What a request's bytes say: pure functions from bytes to events that can be published, or to what is wrong."""
