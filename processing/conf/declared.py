"""The settings of the apps: type, default, and what is allowed. Where a value comes from: `processing.conf`.

A settings module that wants their types says `from processing.conf.declared import *`, and then takes what `conf.read`
returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KIB, _MIB = 2**10, 2**20


@dataclass(frozen=True)
class Declared:
    parser: str  # of SiteEnv
    default: Any  # or a function of DEBUG
    bounds: Mapping[str, Any]


def declare(parser: str, default: Any, **bounds: Any) -> Any:
    return Declared(parser, default, bounds)


# --- where the tables and the hot state are: Django settings only, by the names that DATABASES and CACHES have ---
EVENTS_DATABASE: str = declare("", "default")
EVENTS_CACHE: str = declare("", "events")  # one of django-redis; made of REDIS_URL unless CACHES has it

# --- the services ---
REDIS_URL: str = declare("redis", "")
KAFKA_BOOTSTRAP_SERVERS: str = declare("bootstrap_servers", "")
KAFKA_CLIENT_CONFIG: dict[str, Any] = declare("", None)  # of the servers and KAFKA_SECURITY_*
KAFKA_EVENTS_TOPIC: str = declare("topic", "events")
KAFKA_PRODUCT_TOPIC: str = declare("topic", "product-events")
KAFKA_DLQ_TOPIC: str = declare("topic", "events.dlq")
KAFKA_CONSUMER_GROUP: str = declare("str", "event-processors")
KAFKA_GROUP_PROTOCOL: str = declare("choice", "classic", allowed={"classic", "consumer"})
KAFKA_SESSION_TIMEOUT_MS: int = declare("number", 6_000, least=1_000, most=1_800_000)
KAFKA_TOPIC_PARTITIONS: int = declare("number", 8, least=1, most=10_000)
KAFKA_TOPIC_REPLICATION: int | None = declare("number", None, least=1, most=100)

# --- the processes ---
WEB_HOST: str = declare("ip", "127.0.0.1")
WEB_PORT: int = declare("number", 8000, least=1, most=65535)
METRICS_PORT: int | None = declare("number", None, least=1, most=65535 - 1)
CONSUMER_BATCH_SIZE: int = declare("number", 2_000, least=1, most=100_000)

# --- the door ---
INGEST_REQUIRE_API_KEY: bool = declare("flag", lambda debug: not debug)
FAULT_INJECTION: bool = declare("flag", lambda debug: debug)
RATE_LIMIT_PER_USER: int = declare("number", 100)
RATE_LIMIT_PER_IP: int = declare("number", 0)
TRUSTED_PROXY_COUNT: int = declare("number", 0, most=100)
BATCH_MAX_EVENTS: int = declare("number", 1000, least=1, most=1_000_000)
BODY_MAX_BYTES: int = declare("size", 10 * _MIB, least=1, most=1024 * _MIB)
BODY_TIMEOUT_S: int = declare("number", 15, least=1, most=3600)
EVENT_MAX_BYTES: int = declare("size", 256 * _KIB, least=1, most=900 * _MIB)
TIMESTAMP_UNIT: str = declare("choice", "ms", allowed={"s", "ms", "us", "ns"})
CLOUDEVENTS_USER: list[str] = declare("attributes", ["partitionkey", "subject"])
BACKPRESSURE_MAX_LAG: int = declare("number", 50_000)
BACKPRESSURE_WAIT_MS: int = declare("number", 2_000, most=600_000)
LIVE_EVENT_WAIT_MS: int = declare("number", 10_000, least=1, most=600_000)

# --- processing ---
RETRY_MAX_RETRIES: int = declare("number", 3, most=1_000)
RETRY_BACKOFF_MS: int = declare("number", 500)
RETRY_BACKOFF_MAX_MS: int = declare("number", 60_000)
FAMILY_ON_FAILURE: dict[str, str] = declare("on_failure", {})
SEQUENCE_GAP_TIMEOUT_MS: int = declare("number", 2_000)
SEQUENCE_MAX_AHEAD: int = declare("number", 1_000_000)
HOT_STATE: str = declare("choice", "all", allowed={"all", "unhappy", "off"})
HOT_STATE_TTL_S: int = declare("number", 86_400, least=1)
ORDER_LIST_MAX: int = declare("number", 10_000, least=1, most=500_000)
FAILURE_LIMIT_IN_A_ROW: int = declare("number", 100)
FAILURE_LIMIT_PERCENT: int = declare("number", 50, most=100)
FAILURE_WINDOW: int = declare("number", 1_000)
ALERT_URLS: list[str] = declare("alert_urls", [])
OTEL_EXPORTER_OTLP_ENDPOINT: str = declare("collector", "")
OTEL_SERVICE_NAME: str = declare("str", "eventsite")
RETENTION_DAYS: int = declare("number", 30, least=1, most=36_500)
RETENTION_FORGET_DAYS: int = declare("number", 0, most=36_500)
