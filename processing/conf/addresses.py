"""The addresses of the services: read from the environment, made into what the clients want."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from environs import ValidationError

from processing.conf import redis_address
from processing.conf.reading import Parser, SiteEnv, parse_words

TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
BOOTSTRAP_SERVER = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
ORIGIN = re.compile(r"https?://[^/\s]+")
# As a browser writes it, since texts are compared: small letters, no path, no port that goes without saying.
BROWSER_ORIGIN = re.compile(
    r"(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)
SECURITY = "KAFKA_SECURITY_"
SYSLOG_CRITICAL = 2  # this client has no servers to connect to, which is a warning
REDIS_SCHEMES = ("redis", "rediss", "unix")
CELERY_SCHEMES = ("redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp")
REDIS_EXAMPLES = "redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/socket"
CONNECTION_MEMBERS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
SOCKET_TIMEOUT_S, CONNECT_TIMEOUT_S = 5, 2  # of Redis and of Celery's broker
HEALTH_CHECK_S = 5  # after so long without an answer Celery takes a connection to Redis for a dead one
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}  # seconds, seconds, probes


def parse_postgres(text: str) -> dict[str, Any]:
    """A Postgres URL as an entry of Django's DATABASES."""
    if urlsplit(text).scheme not in ("postgres", "postgresql"):
        raise ValidationError("allowed is a URL such as postgres://user:password@host:5432/name")
    try:
        members = psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        raise ValidationError(f"{str(error).strip()}; allowed is postgres://user:password@host:5432/name") from error
    ports = str(members.get("port") or "5432").split(",")
    if not all(port.isdecimal() and 1 <= int(port) <= 65535 for port in ports):
        raise ValidationError(
            "the port is a number from 1 to 65535; allowed is postgres://user:password@host:5432/name"
        )
    options = {name: value for name, value in members.items() if name not in CONNECTION_MEMBERS}
    return {
        "ENGINE": "processing.postgres.backend",
        **{key: members.get(name) or "" for name, key in CONNECTION_MEMBERS.items()},
        "OPTIONS": {"connect_timeout": 5, **KEEPALIVES, **options},
        "CONN_MAX_AGE": 0,  # a thread gives its connection back after each request, see the pool of our ENGINE
        "DISABLE_SERVER_SIDE_CURSORS": True,  # outside a transaction they live in the session, which a pooler lends on
    }


def parse_redis(text: str) -> str:
    _parse_url(text, REDIS_SCHEMES, REDIS_EXAMPLES)
    try:
        return redis_address.read(text)
    except ValueError as error:
        raise ValidationError(f"{error}; allowed is {REDIS_EXAMPLES}, with redis-py's options behind a ?") from error


def redis_cache(url: str) -> dict[str, Any]:
    """An entry of Django's CACHES."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "SOCKET_TIMEOUT": SOCKET_TIMEOUT_S,
            "SOCKET_CONNECT_TIMEOUT": CONNECT_TIMEOUT_S,
            "CONNECTION_POOL_KWARGS": {"health_check_interval": 30, "retry": redis_address.REOPEN_A_REPLICAS},
        },
    }


def parse_celery_broker(text: str) -> str:
    allowed = "a Redis URL (redis://host:6379/0) or a RabbitMQ one (amqp://host:5672//)"
    _parse_url(text, CELERY_SCHEMES, allowed)
    if not urlsplit(text).scheme.startswith("redis"):
        return text
    return parse_redis(re.sub(r"^redis\+socket", "unix", text).replace("?virtual_host=", "?db="))


def celery_broker(url: str | None) -> dict[str, Any]:
    """Celery's settings for a broker: verified TLS, and waits with an end. A Redis URL is read as the door reads it."""
    scheme = urlsplit(url).scheme if url else ""
    if not url:
        return {"url": "memory://nowhere"}  # nobody gets to use it: without REDIS_URL no process of Celery starts
    if scheme not in REDIS_SCHEMES:
        tls = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}  # None: the URL's
        return {
            "url": url,
            "use_ssl": tls if scheme == "amqps" else None,
            "transport_options": {"read_timeout": SOCKET_TIMEOUT_S, "write_timeout": SOCKET_TIMEOUT_S},
        }
    address = redis_address.members(url)
    plain, *_ = url.partition("?")
    return {
        "url": re.sub("^unix", "redis+socket", plain),
        "use_ssl": {"ssl_cert_reqs": address.setdefault("ssl_cert_reqs", "required")} if scheme == "rediss" else None,
        "transport_options": {
            "address": address,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": HEALTH_CHECK_S,
        },
    }


def parse_bootstrap_servers(text: str) -> str:
    servers = parse_words(text)
    for server in servers:
        match = BOOTSTRAP_SERVER.fullmatch(server)
        if not match or not 1 <= int(match[1]) <= 65535:
            raise ValidationError(f"{server!r} is no host:port; allowed is a list such as host-1:9092,host-2:9092")
    return ",".join(servers)


def parse_topic(text: str) -> str:
    if not TOPIC.fullmatch(text) or text in (".", ".."):
        raise ValidationError("allowed are 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return text


def kafka_security(read: SiteEnv) -> dict[str, Any]:
    """KAFKA_SECURITY_PROTOCOL is librdkafka's `security.protocol`, KAFKA_SECURITY_SASL_USERNAME its `sasl.username`.

    librdkafka itself says what is wrong with them, if anything.
    """
    options: dict[str, str | int | float | bool] = {
        "security.protocol" if name == "PROTOCOL" else name.lower().replace("_", "."): value
        for name, value in _named(read.variables, SECURITY)
    }
    if options:
        try:
            AdminClient({**options, "log_level": SYSLOG_CRITICAL})
        except KafkaException as error:
            read.refuse(f"KAFKA_SECURITY_* cannot be used: librdkafka says {error.args[0].str()}")
    return options


def parse_ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValidationError("allowed is an IP address to listen on, such as 127.0.0.1 or 0.0.0.0") from error


def parse_origins(text: str) -> list[str]:
    origins = parse_words(text)
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValidationError(f"{origin!r} is no origin; allowed is a list such as https://admin.example.com")
    return origins


def parse_browser_origins(text: str) -> list[str]:
    origins = parse_words(text)
    for origin in origins:
        if not BROWSER_ORIGIN.fullmatch(origin):
            raise ValidationError(
                f"{origin!r} is no origin as a browser sends it; allowed is a list such as https://shop.example.com, "
                "in small letters, without a path, a wildcard or a default port"
            )
    return origins


def _named(variables: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    return (
        (name.removeprefix(prefix), value) for name, value in variables.items() if name.startswith(prefix) and value
    )


def _parse_url(text: str, schemes: tuple[str, ...], allowed: str) -> str:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ValidationError(f"{error}; allowed is {allowed}") from error
    local = url.scheme in ("unix", "redis+socket")
    if url.scheme not in schemes or port == 0 or not (url.path.strip("/") if local else url.hostname):
        raise ValidationError(f"allowed is {allowed}")
    database = url.path.strip("/")
    if url.scheme in ("redis", "rediss") and database and not database.isdecimal():
        raise ValidationError(f"the database is a number; allowed is {allowed}")
    return text


def parse_alert_urls(text: str) -> list[str]:
    """Addresses of Apprise, by commas; they hold passwords, so no error quotes them. Apprise is large: it is imported
    only where it is asked for."""
    try:
        from apprise import Apprise
    except ModuleNotFoundError as error:
        raise ValidationError("Apprise is not installed: pip install 'eventsite[alerts]'") from error

    urls = [word.strip() for word in text.split(",") if word.strip()]
    for place, url in enumerate(urls, 1):
        if Apprise.instantiate(url) is None:
            raise ValidationError(f"address {place} is unknown: allowed are those of Apprise, such as json://host/path")
    return urls


def parse_collector(text: str) -> str:
    """Of traces, by OTLP over HTTP. OpenTelemetry is an extra: it must be there where it is asked for."""
    url = _parse_url(text, ("http", "https"), "an address such as http://127.0.0.1:4318")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise ValidationError("OpenTelemetry is not installed: pip install -r requirements-tracing.txt")
    return url


PARSERS: dict[str, Parser] = {
    "alert_urls": parse_alert_urls,
    "collector": parse_collector,
    "postgres": parse_postgres,
    "redis": parse_redis,
    "celery_broker": parse_celery_broker,
    "bootstrap_servers": parse_bootstrap_servers,
    "topic": parse_topic,
    "ip": parse_ip,
    "origins": parse_origins,
    "browser_origins": parse_browser_origins,
}
