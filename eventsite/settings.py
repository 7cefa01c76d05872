"""Every setting of the site. What the environment decides stands first, under the variable's own name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from eventsite import env, logs
from eventsite.place import BASE
from processing import conf
from processing.conf import addresses
from processing.conf.declared import *  # noqa: F403 - their types

BASE_DIR = BASE
VAR_DIR = BASE_DIR / "var"

_read = conf.reader(env.load(BASE_DIR))

# --- the environment: the site's own; what the apps know is declared, and read, by processing.conf ---
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
WEB_WORKERS: int = _read.number("WEB_WORKERS", 1, least=1, most=256)

_of_the_apps = conf.read(_read, debug=DEBUG)
vars().update(_of_the_apps)
EVENTS_CACHE = "default"
_NO_DATABASE = {"ENGINE": "django.db.backends.dummy"}
_broker = addresses.celery_broker(_read.celery_broker("CELERY_BROKER_URL", "") or _of_the_apps["REDIS_URL"])

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
        "DIRS": [Path(__file__).resolve().parent / "templates"],  # before those of unfold
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
    "STYLES": [f"/{STATIC_URL}processing/admin.css"],
    "SIDEBAR": {"navigation": "eventsite.navigation.navigation"},
}

# --- https, for the pages that people open ---
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_SSL_REDIRECT = HTTPS_ONLY
# Only these pages redirect: a redirected POST of an event is a lost one, and probes speak plain http.
SECURE_REDIRECT_EXEMPT = [r"^(?!admin|docs)"]
SECURE_HSTS_SECONDS = 30 * 86_400 if HTTPS_ONLY else 0
if _of_the_apps["TRUSTED_PROXY_COUNT"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Speaking for the whole domain (W005) and for all browsers' built-in lists (W021) is for its owner to decide. Of a
# service that is not set commandline.py tells those commands that need it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "processing.W002", "processing.W003"]

# --- CORS: which sites' pages may send events and read what became of them ---
if CORS_ALLOWED_ORIGINS:
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")  # the first, so that errors can be read too
CORS_URLS_REGEX = r"^/(?!(?:admin|docs|schema|asyncapi|static|health|metrics)(?:/|$))"  # the door and what it lets read
CORS_ALLOW_METHODS = ("GET", "POST")
# CloudEvents' `ce-` fields have any name; the star stands for all fields but Authorization.
CORS_ALLOW_HEADERS = ("authorization", "*")
CORS_EXPOSE_HEADERS = ("Location", "Retry-After", "RateLimit", "RateLimit-Policy")

# --- Redis ---
CACHES = {"default": addresses.redis_cache(_of_the_apps["REDIS_URL"])}

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
    "POSTPROCESSING_HOOKS": [],
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
LOGGING = logs.configure(readable=DEBUG, colours=sys.stderr.isatty())
