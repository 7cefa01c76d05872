"""A task an event, which stores it with Django's ORM."""

import os
from datetime import UTC, datetime
from typing import Any

import django
from celery import Celery

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from models import Stored  # noqa: E402

app = Celery("tasks", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, task_acks_late=True)


@app.task
def store(event: dict[str, Any]) -> None:
    fields = {"user_id": event["userId"], "type": event["type"], "payload": event["payload"]}
    occurred_at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    Stored.objects.get_or_create(id=event["id"], defaults={**fields, "occurred_at": occurred_at})
