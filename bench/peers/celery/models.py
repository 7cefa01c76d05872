"""The table, as Django's ORM sees it."""

from django.db import models
from django.db.models.functions import Now


class Stored(models.Model):
    id = models.CharField(max_length=255, primary_key=True)
    user_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "stored"
        db_table = "stored"
        managed = False
