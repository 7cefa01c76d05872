"""Is this web process able to take events, and what is wrong elsewhere?"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from ingest.health.consumers import consumers
from ingest.publishing import batcher, reservations
from ingest.publishing.per_process import PerProcess
from processing.domain.topic_states import why_not_writable
from processing.health import services
from processing.health.checks import Checks
from processing.health.readiness import Readiness, decide

IMPLIED = {"consumers": "kafka", "elsewhere": "postgres"}


def readiness() -> Readiness:
    """Asks all services, within `processing.health.checks.ANSWER_S`."""
    return decide(_checks.get().ask(), needs(keys=settings.INGEST_REQUIRE_API_KEY), implied=IMPLIED)


def needs(*, keys: bool) -> Sequence[str]:
    """What a web process takes no event without. Postgres only where it knows who may send them."""
    return ("redis", "kafka", "migrations", *(("postgres",) if keys else ()))


def _redis() -> Sequence[str]:
    return services.of_redis(reservations.require_writable)


def _kafka() -> Sequence[str]:
    """What the cluster says of the topic, else what this process itself meets."""
    return services.topics([settings.KAFKA_EVENTS_TOPIC], why_not_writable) or batcher.unanswered()


_checks = PerProcess(
    lambda: Checks(
        redis=_redis,
        kafka=_kafka,
        postgres=services.postgres,
        migrations=services.migrations,
        elsewhere=services.elsewhere,
        consumers=consumers,
    )
)
