"""The way of a valid event to Kafka: limits, duplicates, the producer, and what the door remembers in Redis."""
