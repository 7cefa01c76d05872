"""The door: events by HTTP and from files, checked and published to Kafka; the built-in kinds; what clients read."""
