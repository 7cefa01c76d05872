"""What became of game events: one row for each that was processed."""

from django.db import models
from django.db.models.functions import Now

from ingest.families.columns import ExactJSONField


class GameEvent(models.Model):
    """A processed game event. `timestamp` is when it happened, by its sender; `created_at` when it was processed."""

    event_id = models.TextField(db_collation="C")
    event_type = models.TextField()
    player_id = models.TextField(db_collation="C")
    game_id = models.TextField(null=True, blank=True)
    session_id = models.TextField(null=True, blank=True)
    seq = models.BigIntegerField(null=True, blank=True)
    timestamp = models.DateTimeField()
    data = ExactJSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        default_permissions = ("view",)
        db_table = "game_events"
        # a constraint, not unique=True: that would add a second index for LIKE, which the C collation makes useless
        constraints = [models.UniqueConstraint(fields=["event_id"], name="game_events_event_id_unique")]
        indexes = [
            # GET /game-events and the admin: newest first, of all, of one player or of one type
            models.Index(fields=["-timestamp", "-id"], name="game_events_newest"),
            models.Index(fields=["player_id", "-timestamp", "-id"], name="game_events_player_newest"),
            models.Index(fields=["event_type", "-timestamp", "-id"], name="game_events_type_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
