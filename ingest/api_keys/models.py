"""API keys: who may call. Only a hash of the secret is kept."""

from django.db import models
from django.db.models.functions import Now


class ApiKey(models.Model):
    """A caller's key. `prefix` is the public beginning of the key, to tell keys apart in lists and logs."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    sha256 = models.CharField(max_length=64, help_text="of the whole key, hexadecimal")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [models.UniqueConstraint(fields=["sha256"], name="api_key_sha256_unique")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
