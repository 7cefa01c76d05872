"""Is this consumer able to read, and to record what it reads?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from processing.consumer.membership import Membership
from processing.domain.topic_states import why_not_readable
from processing.health import services
from processing.health.checks import Checks
from processing.health.readiness import Readiness, decide

NEEDS = ("kafka", "group", "postgres", "migrations", "redis")
IMPLIED = {"group": "kafka", "elsewhere": "postgres"}


def readiness_of_consumer(topics: Sequence[str], membership: Membership) -> Callable[[], Readiness]:
    """To be called for each answer."""
    checks = Checks(
        kafka=lambda: services.topics(topics, why_not_readable),
        group=membership.problems,
        postgres=services.postgres,
        migrations=services.migrations,
        redis=services.redis,
        elsewhere=services.elsewhere,
    )
    return lambda: decide(checks.ask(), NEEDS, IMPLIED)
