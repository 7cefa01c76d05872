"""Edit and replay: checked as the door checks it, on record, and refused when somebody else was faster."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone
from redis import Redis

from processing.domain.envelope import Invalid
from processing.domain.statuses import Status
from processing.models import DeadLetter, Edit, InboxEvent, OperatorAction, ReplayRun
from processing.operators import actions, edit
from processing.operators.chunks import Refused
from tests.support.dead import bury_bytes, dead_list, fail_for_good, hot, row, try_again
from tests.support.factories import DeadLetterFactory, envelope
from tests.support.operator_pages import change, page, said
from tests.support.replays import finish, replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


def corrected(id: str, text: str, *, version: int | None = None) -> int:
    found = edit.find(id).version if version is None else version
    return edit.edit_and_replay(id, text, version=found, actor="ada", reason="a typing error")


def test_a_corrected_payload_is_replayed_once_and_what_came_is_kept(redis: Redis) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True, price="1.10"))
    run = corrected("e-1", '{\r\n "seq": 1, "price": 1.100}')
    assert finish(run).done == {"e-1": "to be tried again"}
    try_again("e-1")
    event = row("e-1")
    assert (event.status, event.attempts, event.payload) == (Status.PROCESSED, 3, '{"seq":1,"price":1.100}')
    assert b'"fail":true' in bytes(event.raw or b"")
    kept = Edit.objects.get()
    assert bytes(kept.before) == b'{"seq":1,"fail":true,"price":"1.10"}'
    assert bytes(kept.after) == b'{"seq":1,"price":1.100}'
    assert hot(redis, "e-1")["status"] == "processed"
    assert dead_list(redis) == []
    assert list(OperatorAction.objects.order_by("id").values_list("action", "event_id", "actor")) == [
        ("edit", "e-1", "ada"),
        ("replay run", f"replay {run}", "ada"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{", "payload", "not valid JSON"),
        ("[]", "payload", "Expected `object`"),
        ('{"seq": 1, "price": 99999999999999999999}', "payload.price", "beyond 64 bits"),
        ('{"seq": 2}', "payload.seq", "must stay 1"),
        ("{}", "payload.seq", "must stay 1"),
        ('{"seq": "1"}', "", "payload.seq: must be an integer"),
        ('{"seq": 1, "text": "a\\u0000b"}', "", "NUL"),
        ('{"seq": 1, "text": "\ud800"}', "", "UTF-8"),
    ],
)
def test_what_the_door_would_refuse_is_refused_with_its_path(text: str, path: str, message: str) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True))
    with pytest.raises(Invalid) as refused:
        corrected("e-1", text)
    assert path in refused.value.path
    assert message in str(refused.value)
    assert not Edit.objects.exists()
    assert DeadLetter.objects.get().discarded_at is None


def test_a_price_with_too_many_decimals_is_named() -> None:
    price = {"type": "add_revenue", "family": "revenue", "userId": "u-1"}
    DeadLetterFactory.create(event__id="e-1", event__payload='{"value":1.1}', event__type=price["type"])
    InboxEvent.objects.update(family="revenue")
    with pytest.raises(Invalid, match=r"payload\.value"):
        corrected("e-1", '{"value": 1.234}')
    assert finish(corrected("e-1", '{"value": 1.23}')).done


def test_a_poison_becomes_the_event_that_its_corrected_message_carries(redis: Redis) -> None:
    id = bury_bytes(b'{"id": "e-1", ')
    with pytest.raises(Invalid, match="not valid JSON"):
        corrected(id, '{"id": "e-1", "userId"')
    run = corrected(id, envelope("e-1", seq=1).decode())
    assert finish(run).done == {id: "became 'e-1': held"}
    try_again("e-1")
    assert row("e-1").status == Status.PROCESSED
    assert not InboxEvent.objects.filter(pk=id).exists()
    assert bytes(Edit.objects.get(event_id=id).before) == b'{"id": "e-1", '
    assert dead_list(redis) == []


def test_bytes_that_are_no_text_are_shown_as_escapes_and_kept_as_they_came() -> None:
    id = bury_bytes(b"\xff\x00{")
    assert edit.text_of(edit.find(id)) == "\\xff\x00{"
    corrected(id, envelope("e-1").decode())
    assert bytes(Edit.objects.get().before) == b"\xff\x00{"


def test_a_seq_that_was_too_far_ahead_may_be_corrected() -> None:
    fail_for_good(envelope("first", seq=1), envelope("far", seq=9_000_000))
    assert DeadLetter.objects.get().reason == "ahead"
    with pytest.raises(Invalid, match="is missing"):
        corrected("far", "{}")
    assert finish(corrected("far", '{"seq": 2}')).done == {"far": "held, with seq 2"}


@pytest.mark.parametrize("other", ["edit", "replay", "discard"])
def test_an_edit_of_what_somebody_else_was_faster_with_is_refused_and_told(other: str) -> None:
    fail_for_good(envelope("e-1", fail=True))
    version = edit.find("e-1").version
    if other == "edit":
        corrected("e-1", '{"by": "another"}')
    elif other == "replay":
        replay(ids=["e-1"], actor="bob")
    else:
        actions.discard(ids=["e-1"], actor="bob", reason="a test")
    with pytest.raises(Refused, match=r"meanwhile|is no dead letter"):
        corrected("e-1", '{"by": "me"}', version=version)
    assert Edit.objects.count() == (1 if other == "edit" else 0)


# --- its page ---


def test_the_form_shows_the_error_at_its_field_and_keeps_what_was_typed(operator: Client) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True))
    (_, button, _) = operator.get(change("inboxevent", "e-1")).context["buttons"]
    form = operator.get(button["url"])
    assert "&quot;seq&quot;: 1" in form.content.decode()
    sent = {"text": '{"seq": 2}', "version": form.context["letter"].version, "why": "typo"}
    refused = operator.post(button["url"], sent)
    assert refused.status_code == 422
    assert "<code>payload.seq</code> must stay 1" in refused.content.decode()
    assert "{&quot;seq&quot;: 2}" in refused.content.decode()
    assert "A reason is needed" in operator.post(button["url"], {**sent, "why": " "}).content.decode()
    done = operator.post(button["url"], {**sent, "text": '{"seq": 1}'})
    assert done["Location"] == change("replayrun", ReplayRun.objects.get().pk)
    html = page(operator, change("inboxevent", "e-1"))
    assert '<span class="minus">-  &quot;fail&quot;: true</span>' in html
    assert "edited by ada: typo" in html


def test_who_comes_too_late_is_told_on_the_events_page(operator: Client) -> None:
    fail_for_good(envelope("e-1", fail=True))
    (_, button, _) = operator.get(change("inboxevent", "e-1")).context["buttons"]
    version = operator.get(button["url"]).context["letter"].version
    replay(ids=["e-1"], actor="bob")
    response = operator.post(button["url"], {"text": "{}", "version": version, "why": "typo"}, follow=True)
    assert said(response) == ["Left as it was: 'e-1' is no dead letter: it is retrying."]


def test_what_is_discarded_has_no_form(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1", discarded_at=timezone.now())
    assert operator.get("/admin/processing/deadletter/e-1/edit/").status_code == 302
