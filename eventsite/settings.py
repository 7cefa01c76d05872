"""Every setting of the site. What the environment decides stands first, under the variable's own name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from celery.schedules import crontab

from eventsite import addresses, env, logs
from eventsite.redis_address import REOPEN_A_REPLICAS

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VERSION = "0.1.0"  # as pyproject.toml has it
KIB, MIB = 2**10, 2**20

_variables = env.load(BASE_DIR)
_read = env.SiteEnv(_variables, {**env.PARSERS, **addresses.PARSERS})

# --- the environment: the web ---
DEBUG: bool = _read.flag("DEBUG", default=False)
SECRET_KEY: str = _read.str("SECRET_KEY", "")
if not SECRET_KEY:
    SECRET_KEY = "development only: anyone can read this key in the repository"
    if not DEBUG:
        _read.refuse("SECRET_KEY is not set and DEBUG is off: set one (long, random), or DEBUG=1, or start `make run`")
ALLOWED_HOSTS: list[str] = _read.words("ALLOWED_HOSTS", ["localhost", ".localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = _read.origins("CSRF_TRUSTED_ORIGINS", [])
CORS_ALLOWED_ORIGINS: list[str] = _read.browser_origins("CORS_ALLOWED_ORIGINS", [])
HTTPS_ONLY: bool = _read.flag("HTTPS_ONLY", default=not DEBUG)
WEB_PORT: int = _read.number("WEB_PORT", 8000, least=1, most=65535)
WEB_WORKERS: int = _read.number("WEB_WORKERS", 1, least=1, most=256)
METRICS_PORT: int | None = _read.number("METRICS_PORT", None, least=1, most=65535 - 1)
WEB_HOST: str = _read.ip("WEB_HOST", "127.0.0.1")

# --- the environment: the services ---
_NO_DATABASE = {"ENGINE": "django.db.backends.dummy"}
REDIS_URL: str = _read.redis("REDIS_URL", "")
_broker = addresses.celery_broker(_read.celery_broker("CELERY_BROKER_URL", "") or REDIS_URL)
KAFKA_BOOTSTRAP_SERVERS: str = _read.bootstrap_servers("KAFKA_BOOTSTRAP_SERVERS", "")
KAFKA_CLIENT_CONFIG: dict[str, Any] = {
    "bootstrap.servers": KAFKA_BOOTSTRAP_SERVERS,
    **addresses.kafka_security(_read),
}
KAFKA_EVENTS_TOPIC: str = _read.topic("KAFKA_EVENTS_TOPIC", "events")
KAFKA_PRODUCT_TOPIC: str = _read.topic("KAFKA_PRODUCT_TOPIC", "product-events")
KAFKA_DLQ_TOPIC: str = _read.topic("KAFKA_DLQ_TOPIC", "events.dlq")
_topics = [KAFKA_EVENTS_TOPIC, KAFKA_PRODUCT_TOPIC, KAFKA_DLQ_TOPIC]
if all(_topics) and len(set(_topics)) < 3:
    _read.refuse(
        f"KAFKA_EVENTS_TOPIC={KAFKA_EVENTS_TOPIC!r}, KAFKA_PRODUCT_TOPIC={KAFKA_PRODUCT_TOPIC!r} and "
        f"KAFKA_DLQ_TOPIC={KAFKA_DLQ_TOPIC!r} cannot be used together: allowed are three different topics"
    )
KAFKA_CONSUMER_GROUP: str = _read.str("KAFKA_CONSUMER_GROUP", "event-processors")
KAFKA_GROUP_PROTOCOL: str = _read.choice("KAFKA_GROUP_PROTOCOL", "classic", allowed={"classic", "consumer"})
KAFKA_SESSION_TIMEOUT_MS: int = _read.number("KAFKA_SESSION_TIMEOUT_MS", 6_000, least=1_000, most=1_800_000)
KAFKA_TOPIC_PARTITIONS: int = _read.number("KAFKA_TOPIC_PARTITIONS", 8, least=1, most=10_000)
KAFKA_TOPIC_REPLICATION: int | None = _read.number("KAFKA_TOPIC_REPLICATION", None, least=1, most=100)

# --- the environment: the door ---
INGEST_REQUIRE_API_KEY: bool = _read.flag("INGEST_REQUIRE_API_KEY", default=not DEBUG)
FAULT_INJECTION: bool = _read.flag("FAULT_INJECTION", default=DEBUG)
RATE_LIMIT_PER_USER: int = _read.number("RATE_LIMIT_PER_USER", 100)
RATE_LIMIT_PER_IP: int = _read.number("RATE_LIMIT_PER_IP", 0)
TRUSTED_PROXY_COUNT: int = _read.number("TRUSTED_PROXY_COUNT", 0, most=100)
BATCH_MAX_EVENTS: int = _read.number("BATCH_MAX_EVENTS", 1000, least=1, most=1_000_000)
BODY_MAX_BYTES: int = _read.size("BODY_MAX_BYTES", 10 * MIB, least=1, most=1024 * MIB)
BODY_TIMEOUT_S: int = _read.number("BODY_TIMEOUT_S", 15, least=1, most=3600)
EVENT_MAX_BYTES: int = _read.size("EVENT_MAX_BYTES", 256 * KIB, least=1, most=900 * MIB)
TIMESTAMP_UNIT: str = _read.choice("TIMESTAMP_UNIT", "ms", allowed={"s", "ms", "us", "ns"})
CLOUDEVENTS_USER: list[str] = _read.attributes("CLOUDEVENTS_USER", ["partitionkey", "subject"])
BACKPRESSURE_MAX_LAG: int = _read.number("BACKPRESSURE_MAX_LAG", 50_000)
BACKPRESSURE_WAIT_MS: int = _read.number("BACKPRESSURE_WAIT_MS", 2_000, most=600_000)
LIVE_EVENT_WAIT_MS: int = _read.number("LIVE_EVENT_WAIT_MS", 10_000, least=1, most=600_000)

# --- the environment: processing ---
RETRY_MAX_RETRIES: int = _read.number("RETRY_MAX_RETRIES", 3, most=1_000)
RETRY_BACKOFF_MS: int = _read.number("RETRY_BACKOFF_MS", 500)
RETRY_BACKOFF_MAX_MS: int = _read.number("RETRY_BACKOFF_MAX_MS", 60_000)
FAMILY_ON_FAILURE: dict[str, str] = _read.on_failure("FAMILY_ON_FAILURE", {})
SEQUENCE_GAP_TIMEOUT_MS: int = _read.number("SEQUENCE_GAP_TIMEOUT_MS", 2_000)
SEQUENCE_MAX_AHEAD: int = _read.number("SEQUENCE_MAX_AHEAD", 1_000_000)
HOT_STATE: str = _read.choice("HOT_STATE", "all", allowed={"all", "unhappy", "off"})
HOT_STATE_TTL_S: int = _read.number("HOT_STATE_TTL_S", 86_400, least=1)
ORDER_LIST_MAX: int = _read.number("ORDER_LIST_MAX", 10_000, least=1, most=500_000)
CONSUMER_BATCH_SIZE: int = _read.number("CONSUMER_BATCH_SIZE", 2_000, least=1, most=100_000)
FAILURE_LIMIT_IN_A_ROW: int = _read.number("FAILURE_LIMIT_IN_A_ROW", 100)
FAILURE_LIMIT_PERCENT: int = _read.number("FAILURE_LIMIT_PERCENT", 50, most=100)
FAILURE_WINDOW: int = _read.number("FAILURE_WINDOW", 1_000)
ALERT_URLS: list[str] = _read.alert_urls("ALERT_URLS", [])
RETENTION_DAYS: int = _read.number("RETENTION_DAYS", 30, least=1, most=36_500)
RETENTION_FORGET_DAYS: int = _read.number("RETENTION_FORGET_DAYS", 0, most=36_500)

# The worker's and the consumer's threads hold one each, all the time.
DATABASE_MAX_CONNECTIONS: int = _read.number("DATABASE_MAX_CONNECTIONS", 20, least=8, most=10_000)
DATABASES = {"default": _read.postgres("DATABASE_URL", dict[str, Any](_NO_DATABASE))}
_read.finish()
DATABASES["default"]["MAX_CONNECTIONS"] = DATABASE_MAX_CONNECTIONS

ENVIRONMENT_VARIABLES = frozenset(_read.dump())
# Commands that need no service run without them; the others stop with one line, see commandline.py.
_services = ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")
MISSING_SERVICES = [name for name in _services if name not in _read.variables]

# --- Django ---
INSTALLED_APPS = [
    "unfold",  # before the admin, whose look it is
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "processing",
    "ingest",
    "revenue",
    "eventsite",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "eventsite.hosts.HostCheck",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "eventsite" / "templates"],  # before those of unfold
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "eventsite.urls"
WSGI_APPLICATION = "eventsite.wsgi.application"
APPEND_SLASH = False  # no endpoint has one; a redirect would lose a POST's body
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the door counts for itself, see BODY_MAX_BYTES
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = DEBUG

# --- the admin's look ---
UNFOLD = {
    "SITE_TITLE": "Events",
    "SITE_HEADER": "Events",
    "SITE_SYMBOL": "conversion_path",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"/{STATIC_URL}eventsite/favicon.svg"}],
    "STYLES": [f"/{STATIC_URL}eventsite/admin.css"],
    "SIDEBAR": {"navigation": "eventsite.navigation.navigation"},
}

# --- https, for the pages that people open ---
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_SSL_REDIRECT = HTTPS_ONLY
# Only these pages redirect: a redirected POST of an event is a lost one, and probes speak plain http.
SECURE_REDIRECT_EXEMPT = [r"^(?!admin|docs)"]
SECURE_HSTS_SECONDS = 30 * 86_400 if HTTPS_ONLY else 0
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Speaking for the whole domain (W005) and for all browsers' built-in lists (W021) is for its owner to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- CORS: which sites' pages may send events and read what became of them ---
if CORS_ALLOWED_ORIGINS:
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")  # the first, so that errors can be read too
CORS_URLS_REGEX = r"^/(?!(?:admin|docs|schema|asyncapi|static|health|metrics)(?:/|$))"  # the door and what it lets read
CORS_ALLOW_METHODS = ("GET", "POST")
# CloudEvents' `ce-` fields have any name; the star stands for all fields but Authorization.
CORS_ALLOW_HEADERS = ("authorization", "*")
CORS_EXPOSE_HEADERS = ("Location", "Retry-After", "RateLimit", "RateLimit-Policy")

# --- Redis ---
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "SOCKET_TIMEOUT": addresses.SOCKET_TIMEOUT_S,
            "SOCKET_CONNECT_TIMEOUT": addresses.CONNECT_TIMEOUT_S,
            "CONNECTION_POOL_KWARGS": {"health_check_interval": 30, "retry": REOPEN_A_REPLICAS},
        },
    }
}

# --- Django REST framework ---
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Events",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["ingest.http.openapi.add_components"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Celery: a lost message costs time only, since the sweeper rescues its events ---
CELERY_TASK_DEFAULT_QUEUE = "eventsite"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_URL: str = _broker["url"]
CELERY_BROKER_USE_SSL: dict[str, Any] | None = _broker.get("use_ssl")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = _broker.get("transport_options", {})
CELERY_BROKER_CONNECTION_TIMEOUT = addresses.CONNECT_TIMEOUT_S
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# What a full Redis, or one that became a replica, answers is an error of a channel: without this a worker ends by it.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_HEARTBEAT = 5  # s; RabbitMQ's: a worker leaves a connection that has been silent for two of them
# A retry is what connects again, beat too. Only one, since a consumer waits for it: the sweeper rescues the rest.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
# No limit: what a worker could not acknowledge when Redis went away counts against one for ever, and a worker at its
# limit listens to nothing, so it would not even notice that its connection is gone. Messages are small.
CELERY_WORKER_PREFETCH_MULTIPLIER = 0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True  # we have none; without it Celery warns
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file: most tasks are due every few seconds
CELERY_TIMEZONE = TIME_ZONE
# Tasks expire, so that they do not pile up while no worker runs. Several beats at once only start them more often.
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "sweep": {"task": "processing.tasks.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "renew-marks": {"task": "processing.tasks.renew_marks", "schedule": 10.0, "options": {"expires": 10}},
    "tend-kinds": {"task": "processing.tasks.tend_kinds", "schedule": 2.0, "options": {"expires": 2}},
    "sweep-orphans": {"task": "processing.tasks.pass_orphaned_gaps", "schedule": 10.0, "options": {"expires": 30}},
    "sweep-file-gaps": {"task": "processing.tasks.pass_import_gaps", "schedule": 5.0, "options": {"expires": 15}},
    "retire": {"task": "processing.tasks.retire", "schedule": crontab(minute=17), "options": {"expires": 3600}},
}

LOGGING = logs.configure(readable=DEBUG, colours=sys.stderr.isatty())
