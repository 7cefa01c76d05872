"""Drives the engine from Kafka: poll, commit to Postgres, write Redis, commit offsets."""
