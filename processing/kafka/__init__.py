"""All that speaks to Kafka but the consumer's poll: clients, lag, the dead-letter topic."""
