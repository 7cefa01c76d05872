"""Events from Kafka and from files: each applied once, a user's numbered events in order, to Postgres, then to Redis."""
