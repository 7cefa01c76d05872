"""`make reset`: an empty database, an empty Redis, no topics.

The embedded services are emptied by removing their data; those that the environment names are emptied where they are.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import django
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.db import connection
from redis import Redis

from eventsite import env, runfile
from eventsite.commandline import SERVICES
from eventsite.local.run import RUN_FILE, VAR, complete
from eventsite.place import BASE

DATA = ("postgres", "redis", "broker")
KAFKA_TIMEOUT_S = 15
GONE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND}


def main() -> None:
    os.environ.update(complete(env.load(BASE)))
    try:
        with runfile.held(RUN_FILE):
            _reset()
    except runfile.StackIsUp as error:
        sys.exit(f"make run is up here (process {error}): stop it first, then reset")


def _reset() -> None:
    named = [name for name in SERVICES if name not in settings.MISSING_SERVICES]
    if named and not settings.DEBUG:
        sys.exit(f"{', '.join(named)} set and DEBUG off: this may be production, whose data reset does not touch")
    remove_data(VAR)
    if settings.KAFKA_BOOTSTRAP_SERVERS:
        empty_kafka()
    if settings.REDIS_URL:
        Redis.from_url(settings.REDIS_URL).flushdb()
        print("Redis: empty")
    if "DATABASE_URL" in named:
        empty_database()


def remove_data(folder: Path) -> None:
    for name in DATA:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / f"{name}.log").unlink(missing_ok=True)
    for kept in ("postgres.password", "admin.password"):
        (folder / kept).unlink(missing_ok=True)
    print(f"{folder}: the embedded services' data is removed")


def empty_database() -> None:
    """Drop every table; the next `migrate` makes them."""
    django.setup()
    with connection.cursor() as cursor:
        tables = [connection.ops.quote_name(name) for name in connection.introspection.table_names(cursor)]
        if tables:
            cursor.execute(f"DROP TABLE {', '.join(tables)} CASCADE")
    print(f"Postgres: {len(tables)} tables dropped")


def empty_kafka() -> None:
    """Delete the topics and the group's offsets; who needs a topic makes it. Raises `KafkaException`."""
    admin = AdminClient(settings.KAFKA_CLIENT_CONFIG)
    topics = [settings.KAFKA_EVENTS_TOPIC, settings.KAFKA_PRODUCT_TOPIC, settings.KAFKA_DLQ_TOPIC]
    futures = {
        **admin.delete_topics(topics, operation_timeout=KAFKA_TIMEOUT_S),
        **admin.delete_consumer_groups([settings.KAFKA_CONSUMER_GROUP]),
    }
    for future in futures.values():
        try:
            future.result(KAFKA_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in GONE:
                raise
    print(f"Kafka: {', '.join(topics)} deleted")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    main()
