"""What another service would keep: each call that reached it, and what each token did there, once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Call(models.Model):
    token = models.TextField(db_index=True)

    objects: ClassVar[models.Manager[Call]] = models.Manager()


class Receipt(models.Model):
    token = models.TextField(unique=True)
    task = models.TextField()
    user_id = models.TextField()
    number = models.IntegerField()

    objects: ClassVar[models.Manager[Receipt]] = models.Manager()
