"""An operator's day in the browser, with the Procfile's processes: what the pages promise is what the database has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.pipeline.load import Sent, lane
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.support.operator_pages import change, changelist

pytestmark = pytest.mark.pipeline

PLAYERS = [f"player-{number:02}" for number in range(50)]
BROKEN, INJECTED = 8, 15  # of each player the first ones fail by their handler, the others by the drill
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad deploy'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON game_events FOR EACH ROW WHEN (NEW.seq <= 8) EXECUTE FUNCTION refuse();
"""
OPEN = "SELECT count(*) FROM processing_deadletter WHERE discarded_at IS NULL AND user_id LIKE %s"


def test_failures_of_two_causes_are_replayed_cancelled_half_way_and_go_on(running: Stack, operator_page: Page) -> None:
    page = operator_page
    fail_of_two_causes(running)
    page.goto("/admin/")
    expect(page.locator(".verdict.note")).to_contain_text("An operator should see to 1,150 dead letters of 2 causes")
    page.goto(changelist("deadletter"))
    page.get_by_role("link", name="Replay this list…").click()
    expect(page.locator(".figures")).to_contain_text("1,150 game.move (failed)")
    expect(page.locator(".effects")).to_contain_text("Of the first 1,000: with a seq that its lane has passed: 1,000.")
    assert running.value(OPEN, "player-%") == 1_150, "nothing is done before it is asked for"
    page.get_by_label("Why").fill("the deploy was taken back")
    with second_step_held_up(running):
        page.get_by_role("button", name="Replay 1,150").click()
        expect(page.locator(".run .legend")).to_contain_text("not replayed yet 650")
        next(each for each in running.processes if each.log.name.endswith("worker.log")).kill()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".run .state")).to_contain_text("cancelled by ada")
    running.start("worker")
    expect(page.locator(".run .legend")).to_contain_text("succeeded 500")
    assert applied(running) == 500, "what it had replayed went on"
    assert running.value(OPEN, "player-%") == 650, "the rest are dead letters as before"
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".run .legend")).to_contain_text("succeeded 1,150")
    expect(page.locator(".run .state")).to_contain_text("done")
    all_took_effect_once_and_in_order(running)


def fail_of_two_causes(stack: Stack) -> None:
    """And mend one of them; the other is over at the second try."""
    stack.sql(REFUSE)
    broken, injected = range(1, BROKEN + 1), range(BROKEN + 1, BROKEN + INJECTED + 1)
    stack.produce(event.record() for player in PLAYERS for event in lane(player, broken, family="game"))
    stack.produce(event.record() for player in PLAYERS for event in lane(player, injected, family="game", fail=1))
    stack.wait_until(lambda: stack.value(OPEN, "player-%") == 1_150, "all have failed")
    stack.sql("DROP TRIGGER refuse ON game_events")


@contextmanager
def second_step_held_up(stack: Stack) -> Iterator[None]:
    """Another session has a row that the run's second step comes to."""
    with psycopg.connect(stack.database_url) as session:
        session.execute(
            """SELECT FROM processing_inboxevent WHERE id = (
                 SELECT id FROM processing_inboxevent WHERE user_id LIKE 'player-%'
                 ORDER BY received_at, topic, partition, "offset" OFFSET 700 LIMIT 1) FOR UPDATE"""
        )
        yield


def all_took_effect_once_and_in_order(stack: Stack) -> None:
    tries = "SELECT DISTINCT status, attempts FROM processing_inboxevent WHERE user_id LIKE %s"
    assert stack.sql(tries, "player-%") == [("processed", 2)]
    assert applied(stack) == 1_150
    for player in PLAYERS:
        assert seqs_of(stack, player) == [*range(1, BROKEN + INJECTED + 1)]
        assert stack.redis.lrange(f"order:{player}", 0, -1) == [str(seq) for seq in range(1, BROKEN + INJECTED + 1)]


def applied(stack: Stack) -> int:
    return int(stack.value("SELECT count(*) FROM game_events WHERE player_id LIKE %s", "player-%"))


def seqs_of(stack: Stack, player: str) -> list[int]:
    """In the order in which they took effect."""
    return [seq for (seq,) in stack.sql("SELECT seq FROM game_events WHERE player_id = %s ORDER BY id", player)]


def test_a_price_with_too_many_decimals_is_corrected_and_replayed(running: Stack, operator_page: Page) -> None:
    page = operator_page
    message = {
        "eventId": "summer-sale-0815", "eventType": "product.purchased", "timestamp": 1_790_000_000_000,
        "userId": "ann", "productId": "sku-7", "productName": "Reading lamp", "price": 19.999,
    }  # fmt: skip
    running.products.produce([Record(b"ann", orjson.dumps(message))])
    running.wait_until(lambda: running.value(OPEN, "ann") == 1, "it is a dead letter")
    page.goto(changelist("deadletter", q="summer-sale-0815"))
    page.get_by_role("link", name="summer-sale-0815").click()
    page.get_by_role("link", name="Edit and replay…").click()
    page.get_by_label("Why").fill("one decimal too many")
    page.get_by_role("button", name="Edit and replay").click()  # as it is
    expect(page.locator("#text-error")).to_contain_text("must have at most 2 decimal places")
    page.get_by_label("Message").fill(orjson.dumps({**message, "price": 19.99}).decode())
    page.get_by_role("button", name="Edit and replay").click()
    expect(page.locator(".run .state")).to_contain_text("done")
    page.get_by_role("link", name="summer-sale-0815").click()
    expect(page.locator(".timeline > li").last).to_contain_text("processed")
    expect(page.locator(".timeline")).to_contain_text("by ada")
    assert running.sql("SELECT price::text FROM product_events WHERE event_id = 'summer-sale-0815'") == [("19.99",)]
    assert running.value(OPEN, "ann") == 0


def test_parked_lanes_are_released_by_a_replay_that_succeeds_and_by_a_discard(
    running: Stack, operator_page: Page
) -> None:
    page = operator_page
    for user in ("cy", "dee"):
        running.produce(
            Record(user.encode(), revenue(f"{user}-{seq}", user, seq, fail=2 if seq == 2 else 0)) for seq in range(1, 6)
        )
    held = "SELECT count(*) FROM processing_inboxevent WHERE status = 'held' AND user_id IN ('cy', 'dee')"
    running.wait_until(lambda: running.value(held) == 6, "two lanes are parked, and three events wait in each")

    tile = page.get_by_role("link", name=re.compile(r"^\s*2\s*parked lanes"))
    expect(tile).to_be_visible()  # the page refreshes itself
    tile.click()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.locator(".field-waiting_behind")).to_have_text("3")
    page.get_by_role("link", name="cy", exact=True).click()
    page.locator(".readonly").get_by_role("link", name="cy-2", exact=True).first.click()
    replay_this(page)
    expect(page.locator(".run .legend")).to_contain_text("failed again 1")
    page.goto(changelist("lane", waiting="park"))
    expect(rows).to_have_count(2)  # parked again
    page.goto(change("deadletter", "cy-2"))
    replay_this(page)
    expect(page.locator(".run .legend")).to_contain_text("succeeded 1")
    page.goto(change("deadletter", "dee-2"))
    page.get_by_role("link", name="Discard…").click()
    expect(page.locator(".effects")).to_contain_text("A lane that is parked on it goes on behind it.")
    page.get_by_label("Why").fill("was paid in cash")
    page.get_by_role("button", name="Discard").click()
    running.wait_until(lambda: running.value(held) == 0, "both lanes went on")
    page.goto(changelist("lane", waiting="park"))
    expect(rows).to_have_count(0)
    entries = "SELECT event_id FROM revenue_ledgerentry WHERE user_id = %s ORDER BY number"
    assert [id for (id,) in running.sql(entries, "cy")] == ["cy-1", "cy-2", "cy-3", "cy-4", "cy-5"]
    assert [id for (id,) in running.sql(entries, "dee")] == ["dee-1", "dee-3", "dee-4", "dee-5"]


def revenue(id: str, user: str, seq: int, *, fail: int) -> bytes:
    payload = {"value": 1, "seq": seq, **({"fail": fail} if fail else {})}
    event = {"id": id, "userId": user, "type": "add_revenue", "payload": payload, "timestamp": 1_790_000_000_000}
    return orjson.dumps(event)


def replay_this(page: Page) -> None:
    page.get_by_role("link", name="Replay…", exact=True).click()
    page.get_by_role("button", name="Replay 1").click()


def test_10_000_events_wait_for_a_paused_kind_and_run_in_order_once_it_is_resumed(
    running: Stack, operator_page: Page
) -> None:
    page = operator_page
    running.produce([Sent("first", "gamer", family="game").record()])
    stored = "SELECT count(*) FROM game_events WHERE event_id = 'first'"
    running.wait_until(lambda: running.value(stored) == 1, "one is there")
    page.goto(change("inboxevent", "first"))
    page.get_by_role("link", name="Pause its type…").click()
    expect(page.locator(".effects")).to_contain_text("It pauses type 'game.move' of family game.")
    page.get_by_label("Why").fill("a deploy")
    page.get_by_role("button", name="Pause its type").click()
    free = [Sent(f"free-{number:05}", f"gamer-{number % 20:02}", family="game") for number in range(9_000)]
    numbered = [event for user in range(20) for event in lane(f"racer-{user:02}", range(1, 51), family="game")]
    running.produce(event.record() for event in free + numbered)
    waiting = "SELECT count(*) FROM processing_inboxevent WHERE waits_for = 'game/game.move'"
    running.wait_until(lambda: running.value(waiting) == 10_000, "all of it is stored")

    page.goto("/admin/")
    expect(page.locator(".verdict.note")).to_contain_text("Type 'game.move' of family game is paused since")
    page.goto(changelist("kind"))
    expect(page.locator(".field-waiting")).to_have_text("10,000")
    page.get_by_role("link", name="game/game.move").click()
    page.get_by_role("link", name="Resume…").click()
    expect(page.locator(".effects")).to_contain_text("10,000 events waiting")
    page.get_by_role("button", name="Resume").click()
    running.wait_until(lambda: running.count("processing_kind") == 0, "the kind is open", timeout_s=300)
    page.goto(changelist("kind"))
    expect(page.get_by_text("Nothing is here.")).to_be_visible()
    for user in range(20):
        ids = running.sql("SELECT event_id FROM game_events WHERE player_id = %s ORDER BY id", f"gamer-{user:02}")
        assert [id for (id,) in ids] == [event.id for event in free if event.user == f"gamer-{user:02}"]
        assert seqs_of(running, f"racer-{user:02}") == list(range(1, 51))


def test_a_lane_is_set_once_its_page_has_said_what_that_will_do(running: Stack, operator_page: Page) -> None:
    page = operator_page
    running.produce(event.record() for event in lane("eve", [1, 4], family="game"))
    running.wait_until(lambda: seqs_of(running, "eve") == [1, 4], "the lane has passed its gap")
    running.produce(event.record() for event in lane("eve", [2, 3], family="game"))
    skipped = "SELECT count(*) FROM processing_inboxevent WHERE user_id = 'eve' AND status = 'skipped'"
    running.wait_until(lambda: running.value(skipped) == 2, "they came too late")
    page.goto(change("lane", "eve"))
    page.locator(".set-lane [name=seq]").fill("2")
    page.get_by_label("replay skipped ones").check()
    page.get_by_role("button", name="Set the lane…").click()
    expect(page.locator(".effects")).to_contain_text(
        "The lane of 'eve' goes from 5 to 2; skipped events from there, which wait in the lane again: 2."
    )
    assert running.value(skipped) == 2, "nothing is done before it is asked for"
    page.get_by_role("button", name="Set the lane").click()
    running.wait_until(lambda: seqs_of(running, "eve") == [1, 4, 2, 3], "they took effect, in order")
    page.goto(change("lane", "eve"))
    expect(page.get_by_text("ada: set lane to 2 with replay")).to_be_visible()


def test_a_loss_is_acknowledged(running: Stack, operator_page: Page) -> None:
    page = operator_page
    running.sql(
        """INSERT INTO processing_loss (topic, partition, topic_id, first_offset, last_offset, why)
           VALUES ('events', 3, '', 10, 19, 'deleted')"""
    )
    page.goto("/admin/")
    expect(page.locator(".verdict.bad")).to_contain_text("Messages of events are lost (deleted)")
    page.goto(changelist("loss"))
    page.locator("#result_list a").first.click()
    page.get_by_role("link", name="Acknowledge…").click()
    expect(page.locator(".effects")).to_contain_text("What was lost stays lost.")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged: 1 loss.")).to_be_visible()
    expect(page.locator(".readonly", has_text="by ada").first).to_be_visible()
    page.goto("/admin/")
    expect(page.locator(".verdict.good")).to_be_visible()
