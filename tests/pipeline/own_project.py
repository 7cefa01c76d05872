"""A team's project that takes the apps in: `startproject`, then split settings, a user model of its own, a second
database, ATOMIC_REQUESTS, a prefix before its API, its own Celery app and beat schedule. The events' tables, and those
of its app `shop`, are in the second database."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.pipeline.processes import Process, wait_until

LOGIN = {"username": "ops@example.com", "password": "a-long-passphrase"}

SETTINGS = """
import os

from config.settings.base import *

INSTALLED_APPS = ["unfold", *INSTALLED_APPS, "rest_framework", "accounts", "shop", "stock", "processing", "ingest"]
AUTH_USER_MODEL = "accounts.User"
ALLOWED_HOSTS = ["127.0.0.1"]


def database(name):
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["PG_PORT"],
        "USER": os.environ["PG_USER"],
        "PASSWORD": os.environ["PG_PASSWORD"],
        "NAME": name,
        "ATOMIC_REQUESTS": True,
    }


DATABASES = {"default": database(os.environ["PG_ACCOUNTS"]), "events": database(os.environ["PG_EVENTS"])}
DATABASE_ROUTERS = ["shop.routing.ShopRouter"]
CELERY_BROKER_URL = os.environ["BROKER"]
CELERY_BEAT_SCHEDULE = {"greet": {"task": "accounts.tasks.greet", "schedule": 1.0}}
REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "1.0",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

EVENTS_DATABASE = "events"
REDIS_URL = os.environ["BROKER"]
INGEST_REQUIRE_API_KEY = False
RETRY_BACKOFF_MS = "50"
"""

FILES = {
    "config/settings/__init__.py": "",
    "config/settings/local.py": SETTINGS,
    "config/__init__.py": "from config.celery import app as celery_app\n\n__all__ = ['celery_app']\n",
    "config/celery.py": """
from celery import Celery

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["accounts"])
""",
    "config/urls.py": """
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from ingest.http.asyncapi import asyncapi

urlpatterns = [
    path("control/", admin.site.urls),
    path("api/v1/schema", SpectacularJSONAPIView.as_view()),
    path("api/v1/asyncapi", asyncapi),
    path("api/v1/", include("ingest.urls")),
]
""",
    "accounts/__init__.py": "",
    "accounts/migrations/__init__.py": "",
    "accounts/models.py": """
from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    pass
""",
    "accounts/tasks.py": """
from celery import shared_task


@shared_task
def greet():
    from accounts.models import User

    User.objects.update(first_name="greeted")
""",
    "stock/__init__.py": "",
    "shop/__init__.py": "",
    "shop/migrations/__init__.py": "",
    "shop/models.py": """
from django.db import models


class Order(models.Model):
    event_id = models.TextField(unique=True)
    customer_id = models.TextField()
    total = models.DecimalField(max_digits=12, decimal_places=2)
""",
    "shop/routing.py": """
class ShopRouter:
    def db_for_read(self, model, **hints):
        return "events" if model._meta.app_label == "shop" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "events") == (app_label == "shop")
""",
    "shop/events.py": """
import msgspec

from ingest.families.declaration import event_type, on
from ingest.parsing.money import Money, read_money
from shop.models import Order


@event_type("order.placed", user="customerId")
class OrderPlaced(msgspec.Struct):
    total: Money


@on(OrderPlaced)
def place(orders):
    Order.objects.bulk_create(
        Order(event_id=each.id, customer_id=each.user_id, total=read_money(each.payload.total, "total"))
        for each in orders
    )
""",
}


class OwnProject:
    """`python`: one whose packages the project may use; `variables`: what its processes get beside its own."""

    def __init__(self, folder: Path, python: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.python = python
        self.processes: list[Process] = []
        self.environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": os.environ.get("HOME", "/"),
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }

    def make(self) -> None:
        """Django's own beginning, reshaped as teams do."""
        self.run("-m", "django", "startproject", "config", ".", DJANGO_SETTINGS_MODULE="")
        (self.folder / "config" / "settings").mkdir()
        (self.folder / "config" / "settings.py").rename(self.folder / "config" / "settings" / "base.py")
        for name, text in FILES.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.lstrip("\n"), encoding="utf-8")

    def manage(self, *arguments: str, **variables: str) -> str:
        return self.run("manage.py", *arguments, **variables)

    def run(self, *arguments: str, **variables: str) -> str:
        """What it printed, errors too; it must end well."""
        done = self.try_to_run(*arguments, **variables)
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}"
        return done.stdout

    def try_to_run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env={name: value for name, value in {**self.environment, **variables}.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str) -> Process:
        log = self.folder / f"{len(self.processes)}-{arguments[1]}.log"
        process = Process(shlex.join([str(self.python), *arguments]), self.environment, log, self.folder)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            print(process.tail())


def prepare(project: OwnProject) -> None:
    """Tables, in both databases, and somebody who may open the admin."""
    project.make()
    project.manage("makemigrations", "accounts", "shop")
    for database in ("default", "events"):
        project.manage("migrate", "--database", database)
    variables = {f"DJANGO_SUPERUSER_{name.upper()}": value for name, value in LOGIN.items()}
    project.manage("createsuperuser", "--noinput", "--email", LOGIN["username"], **variables)


def start_all(project: OwnProject, port: int) -> str:
    """Every process as the team would start it; returns the site's URL."""
    project.start("manage.py", "runserver", "--noreload", str(port))
    project.start("manage.py", "consume_kafka")
    project.start("-m", "celery", "-A", "config", "worker", "--pool", "threads", "--concurrency", "2")
    project.start("-m", "celery", "-A", "config", "beat")
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/api/v1/health/live"), 60, "the server answers")
    return url


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def log_in(url: str) -> httpx.Client:
    """To the admin at this URL."""
    client = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
    client.get("/login/")
    data = {**LOGIN, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    answer = client.post("/login/", data=data, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return client
