"""What the log lost: told to operators until one of them acknowledges it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from processing.domain.texts import counted
from processing.operators.chunks import CHUNK, Effects, Result, chunks, run_chunks, while_patient
from processing.postgres import losses
from processing.postgres.operator_records import record
from processing.postgres.transaction import transaction

ACKNOWLEDGE = "acknowledge"  # as OperatorAction.action says it
MAX_DIGITS = 18


def acknowledge(*, ids: Collection[int | str], actor: str) -> Result:
    """Take note of these losses: nobody is told of them any more. What was lost stays lost; it can be sent again."""

    def act(chunk: Sequence[int]) -> Effects:
        with transaction() as cursor:
            done = {name(id): text for id, text in losses.acknowledge(cursor, chunk, actor).items()}
            record(cursor, ACKNOWLEDGE, actor, done)
        left = [name(id) for id in chunk if name(id) not in done]
        return Effects(done=done, refused=dict.fromkeys(left, "is no loss, or was acknowledged before"))

    numbers = {int(id) for id in ids if str(id).isdecimal() and len(str(id)) <= MAX_DIGITS}
    return run_chunks(chunks(sorted(numbers), CHUNK), act)


def open_losses() -> dict[int, str]:
    """Those that nobody has acknowledged, in words. Raises `StoppedError` while the database cannot serve."""
    return while_patient(losses.open_loss_texts)


def name(id: int) -> str:
    """A loss, as the record of operator actions names it."""
    return f"loss {id}"


def degraded() -> list[str]:
    """A line for each topic and reason; empty when nothing was lost that nobody has acknowledged."""
    return [
        f"messages of {each.topic} are lost ({each.why}), found at {each.since:%Y-%m-%d %H:%M:%S} UTC: "
        f"{counted(each.losses, 'loss')}, {counted(each.messages, 'message')} at least; manage.py acknowledge_losses"
        for each in losses.open_losses()
    ]


def overview() -> dict[str, object]:
    """For `pipeline_status`: the losses that nobody has acknowledged."""
    return {
        "losses": [
            {
                "topic": each.topic,
                "why": each.why,
                "losses": each.losses,
                "messages": each.messages,
                "since": each.since.isoformat(timespec="milliseconds"),
            }
            for each in losses.open_losses()
        ]
    }
