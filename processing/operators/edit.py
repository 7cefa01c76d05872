"""Edit and replay: a dead letter's payload, or the message of a poison, corrected, checked as the door checks it, and
replayed. What came is kept."""

from __future__ import annotations

import msgspec
from django.conf import settings

from processing.domain.decode import read_payload
from processing.domain.envelope import Envelope, Invalid, encode_envelope
from processing.domain.messages import Arrival, Message, read_message
from processing.domain.replays import Choice
from processing.domain.statuses import Status
from processing.domain.texts import storable
from processing.models import DeadLetter
from processing.operators.chunks import Refused, while_patient, why_not
from processing.operators.replay import NO_DEAD_LETTER
from processing.operators.replay_runs import start_in
from processing.postgres.dead_letters import lock_dead_letters
from processing.postgres.edits import Letter, find_letter, store_edit, version_of
from processing.postgres.inbox import StatusChange, change_statuses
from processing.postgres.operator_records import next_number, record
from processing.postgres.replay_runs import find_run
from processing.postgres.transaction import outcome_time, transaction

EDIT = "edit"  # as OperatorAction.action says it
MAX_BYTES = 1 << 20  # of a message that a form shows


def find(id: str) -> Letter:
    """The dead letter as it can be edited. Raises `Refused`."""

    def look() -> Letter | dict[str, str]:
        letter = find_letter(id, MAX_BYTES)
        if letter is not None:
            return letter
        with transaction() as cursor:
            return why_not(cursor, [id], wanted=NO_DEAD_LETTER)

    letter = while_patient(look)
    if not isinstance(letter, Letter):
        raise Refused(f"{id!r} {letter[id]}")
    if letter.message.value is None if letter.poison else letter.payload is None:
        raise Refused(f"{id!r} is larger than {MAX_BYTES} bytes, or its content is no longer kept")
    return letter


def text_of(letter: Letter) -> str:
    """What there is to edit; bytes that are no UTF-8 as escapes, JSON with each member on a line of its own."""
    text = (letter.message.value or b"").decode("utf-8", "backslashreplace") if letter.poison else letter.payload or ""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text


def check(letter: Letter, text: str) -> bytes:
    """What the dead letter would have in its place. Raises `Invalid`, as the door would say it."""
    try:
        value = text.replace("\r\n", "\n").encode()
    except UnicodeEncodeError as error:
        raise Invalid("", "is no text that UTF-8 has") from error
    if letter.poison:
        _read(msgspec.structs.replace(letter.message, value=value))
        return value
    _, payload = read_payload(value)
    family = letter.family or None
    envelope = Envelope(letter.id, letter.user_id, letter.type, msgspec.Raw(payload), letter.timestamp, family)
    seq = _read(Message(None, None, 0, None, encode_envelope(envelope))).event.seq
    if letter.reason == DeadLetter.Reason.AHEAD and seq is None:
        raise Invalid("payload.seq", "is missing: the event has a place in its lane")
    if letter.reason != DeadLetter.Reason.AHEAD and seq != letter.seq:
        stays = "must not be there: the event has none" if letter.seq is None else f"must stay {letter.seq}"
        raise Invalid("payload.seq", f"{stays}, it is the event's place in its lane")
    return payload


def _read(message: Message) -> Arrival:
    outcome = read_message(message, settings.EVENT_MAX_BYTES)
    if isinstance(outcome, Arrival):
        return outcome
    raise Invalid("", outcome.error)


def edit_and_replay(id: str, text: str, *, version: int, actor: str, reason: str) -> int:
    """Correct the dead letter that had this version, and replay it; returns the run's number. Raises `Invalid`, and
    `Refused` if somebody else did something to it meanwhile."""
    letter = find(id)
    if letter.version != version:
        raise Refused(f"{id!r} was changed meanwhile, by another edit, replay or discard: look at it again")
    after = check(letter, text)
    number, why = next_number(), storable(reason.strip())

    def act() -> str | None:
        with transaction() as cursor:
            is_locked = id in lock_dead_letters(cursor, [id])
            if find_run(number) is not None:
                return None  # by a commit that was not answered
            if not is_locked:
                return why_not(cursor, [id], wanted=NO_DEAD_LETTER)[id]
            if version_of(cursor, id) != version:
                return "was changed meanwhile, by another edit, replay or discard: look at it again"
            store_edit(cursor, letter, after, actor, why)
            # it stays failed; the version tells whoever has the form open that it is another one now
            change_statuses(cursor, [StatusChange(id, Status.FAILED, None)], outcome_time(cursor), fresh=False)
            record(cursor, EDIT, actor, {id: why})
            start_in(cursor, number, Choice(ids=[id]), actor, why)
        return None

    if (refused := while_patient(act)) is not None:
        raise Refused(f"{id!r} {refused}")
    return number
