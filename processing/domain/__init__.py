"""Pure decisions over plain values: no SQL, no Kafka, no Redis, no Celery."""
