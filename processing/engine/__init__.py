"""Domain, Postgres and handlers put together in one transaction, and what follows its commit."""
