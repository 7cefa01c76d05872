"""Events from Kafka and from files: each applied once, a user's numbered ones in order, to Postgres, then to Redis."""

VERSION = "0.1.0"  # as pyproject.toml has it
