"""API keys: who may call. Only a hash of the secret is kept."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class ApiKey(models.Model):
    """A caller's key. `prefix` is the public beginning of the key, to tell keys apart in lists and logs."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    sha256 = models.CharField(max_length=64, help_text="of the whole key, hexadecimal")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="from then on it is refused; empty: never")
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="to the minute")
    kinds = ArrayField(
        models.TextField(), default=list, db_default=[], blank=True, help_text="families that it is for; none: all"
    )
    may_write = models.BooleanField(default=True, db_default=True, help_text="send events")
    may_read = models.BooleanField(default=True, db_default=True, help_text="read what became of events")
    rate_limit = models.PositiveIntegerField(
        default=0, db_default=0, help_text="events a second that it may send; 0: no limit of its own"
    )

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view", "add", "change")
        constraints = [models.UniqueConstraint(fields=["sha256"], name="api_key_sha256_unique")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
