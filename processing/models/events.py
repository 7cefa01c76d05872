"""Events, and what is kept beside them: dead letters, hot state still to be written, runs over files, retention."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from processing.domain.statuses import Status
from processing.models.columns import BYTE_ORDER
from processing.models.failures import FailureGroup

OPEN = models.Q(discarded_at=None)


class InboxEvent(models.Model):
    """Every event once. The primary key makes a second delivery change nothing.

    A row that was not final on arrival keeps its message (key, raw, headers, position), so that it can be run again."""

    id = models.TextField(primary_key=True, db_collation=BYTE_ORDER)
    user_id = models.TextField(db_collation=BYTE_ORDER)
    type = models.TextField()
    family = models.TextField(blank=True)
    seq = models.BigIntegerField(null=True)
    status = models.TextField(choices=[(status.value, status.label) for status in Status])
    attempts = models.IntegerField(help_text="handler runs that succeeded or raised")
    attempt_limit = models.IntegerField(null=True, help_text="after this many attempts it is failed")
    error = models.TextField(null=True)
    payload = models.TextField(null=True)
    occurred_at = models.DateTimeField(null=True, help_text="the event's own timestamp")
    received_at = models.DateTimeField(db_default=Now())
    final_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    replay = models.BigIntegerField(null=True, help_text="replayed together: a user's events keep their order")
    replay_order = models.IntegerField(null=True)
    version = models.IntegerField(db_default=1, help_text="raised by each change of status; guards the hot state")
    topic = models.TextField(null=True)
    partition = models.IntegerField(null=True)
    offset = models.BigIntegerField(null=True, help_text="in its partition; of an imported event, the line's number")
    import_run = models.IntegerField(null=True, help_text="the run that brought it, if it is not from Kafka")
    waits_for = models.TextField(null=True, help_text="the kind that is set aside, for which it waits")
    arrival = models.BigIntegerField(null=True, help_text="its place among those that wait for a kind")
    key = models.BinaryField(null=True)
    raw = models.BinaryField(null=True)
    headers = models.TextField(null=True, help_text="of a CloudEvent; JSON, the values in base64")
    traceparent = models.TextField(null=True, help_text="of its message, while traces are on")

    class Meta:
        verbose_name = "event"
        default_permissions = ("view",)
        permissions = [("retry_inboxevent", "Can have retries of events made at once")]
        indexes = [
            # lanes: the next seq of a user, and who owns a seq
            models.Index(fields=["user_id", "seq"], name="inbox_numbered", condition=models.Q(seq__isnull=False)),
            # newest first: all, a user's, a type's; a batch shares one value, so the first and the last stay small
            models.Index("received_at", name="inbox_received"),
            models.Index(fields=["user_id", "-received_at"], name="inbox_user_newest"),
            models.Index(fields=["type", "-received_at"], name="inbox_type_newest"),
            # the rescue of retries; those whose kind is set aside wait elsewhere
            models.Index(
                "next_attempt_at",
                name="inbox_retrying",
                condition=models.Q(status=Status.RETRYING, waits_for__isnull=True),
            ),
            # those that wait for a kind, in the order in which they came
            models.Index("waits_for", "arrival", name="inbox_set_aside", condition=models.Q(waits_for__isnull=False)),
            # events that were replayed together: few rows, of which the planner knows nothing yet
            models.Index(
                "user_id",
                "replay",
                "replay_order",
                name="inbox_replayed",
                condition=models.Q(status=Status.RETRYING, replay__isnull=False),
            ),
            # retention: those that were not final on arrival, as long as they keep their message
            models.Index("received_at", name="inbox_kept", condition=models.Q(raw__isnull=False)),
            # lists by status of events that were not processed; the second for those of one family
            models.Index("status", "received_at", name="inbox_unhappy", condition=~models.Q(status=Status.PROCESSED)),
            models.Index(
                fields=["family", "status", "-received_at"],
                name="inbox_family_unhappy",
                condition=~models.Q(status=Status.PROCESSED),
            ),
        ]

    def __str__(self) -> str:
        return self.id


class DeadLetter(models.Model):
    """An event that failed for good; it waits for an operator and never expires."""

    class Reason(models.TextChoices):
        FAILED = "failed", "its handler kept failing"
        POISON = "poison", "it could not be read"
        AHEAD = "ahead", "its seq is too far ahead of its lane"

    event = models.OneToOneField(InboxEvent, models.CASCADE, primary_key=True, related_name="dead_letter")
    reason = models.TextField(choices=Reason)
    queued_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True, help_text="when Kafka had its copy on the dead-letter topic")
    discarded_at = models.DateTimeField(null=True)
    group = models.ForeignKey(FailureGroup, models.PROTECT, related_name="letters", db_index=False)
    # what can be searched and filtered stands here too: a join of two large tables would be read whole
    carried_id = models.TextField(
        blank=True, db_default="", db_collation=BYTE_ORDER, help_text="that an unreadable message carries, if it does"
    )
    user_id = models.TextField(blank=True, db_default="", db_collation=BYTE_ORDER)
    type = models.TextField(blank=True, db_default="")

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("replay_deadletter", "Can replay dead letters, edited if need be, and effects"),
            ("discard_deadletter", "Can discard dead letters, and take that back, and effects"),
        ]
        indexes = [
            # lists, newest first
            models.Index("group", "queued_at", "event", name="dead_letters_of_group", condition=OPEN),
            models.Index("reason", "queued_at", "event", name="dead_letters_of_reason", condition=OPEN),
            models.Index("type", "queued_at", "event", name="dead_letters_of_type", condition=OPEN),
            models.Index("queued_at", "event", name="dead_letters_discarded", condition=~OPEN),
            # searches, and whether a group still has any
            models.Index("carried_id", name="dead_letters_carried", condition=~models.Q(carried_id="")),
            models.Index("user_id", "queued_at", name="dead_letters_user"),
            models.Index("group", name="dead_letters_group"),
            models.Index("queued_at", name="dead_letters_queued"),
            # also read by the sweep, to put the list in Redis back
            models.Index("queued_at", "event", name="dead_letters_open", condition=OPEN),
            models.Index("queued_at", name="dead_letters_unpublished", condition=models.Q(published_at=None)),
        ]

    def __str__(self) -> str:
        return self.event_id


class HotStateOutbox(models.Model):
    """Events whose hot state no redelivery writes again; the row goes once it is written, if need be by the sweeper."""

    id = models.BigAutoField(primary_key=True)
    event_ids = ArrayField(models.TextField())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{len(self.event_ids)} events"


class ImportRun(models.Model):
    """A run of `process_events` over a file."""

    id = models.AutoField(primary_key=True)
    source = models.TextField(help_text="names the file in the ids of lines without one")
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now(), help_text="renewed every few seconds while it goes on")
    ended_at = models.DateTimeField(null=True)
    watermarks = models.JSONField(
        null=True, help_text="where the log ended when the run was over; its gaps wait for what stood before"
    )
    watermarks_at = models.DateTimeField(null=True)
    new_lines = models.BigIntegerField(db_default=0)
    known_lines = models.BigIntegerField(db_default=0, help_text="that the inbox had already")

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"run {self.pk} of {self.source}"


class Retention(models.Model):
    """The one row (id 1) that says how far retention has come."""

    id = models.IntegerField(primary_key=True)
    stripped_until = models.DateTimeField(help_text="events received before this were stripped, if they were final")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.stripped_until)
