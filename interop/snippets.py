"""The programs of docs/producers.md, run as they stand there: only the addresses and the topic are this pipeline's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from bench.environments import ProgramFailed
from interop.environments import Language
from interop.pipeline import addresses
from tests.paths import ROOT
from tests.pipeline.log import read_all
from tests.pipeline.stack import Stack

PAGE = ROOT / "docs" / "producers.md"
BLOCK = re.compile(r"^(\w[^\n]*):\n\n```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LANGUAGE = {"js": "node"}  # where the page's word for highlighting is another
USER = "u-7"
PAYLOAD = {"path": "/start"}


@dataclass(frozen=True)
class Snippet:
    """`title` is the line before it on the page."""

    title: str
    language: str
    text: str


def read() -> list[Snippet]:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [Snippet(title, LANGUAGE.get(word, word), text) for title, word, text in blocks]


def send_one_by_the_door(stack: Stack) -> None:
    """The user's first event: where it lies, the others have to lie too."""
    event = {"userId": USER, "type": "page.viewed", "payload": PAYLOAD}
    httpx.post(f"{addresses(stack)['DOOR']}/events", json=event, timeout=30).raise_for_status()


def run(stack: Stack, snippet: Snippet, languages: Mapping[str, Language]) -> list[str]:
    """What is wrong with a snippet, if anything: it has to bring one event, to where the door puts the user's."""
    language = languages.get(snippet.language)
    if language is None:
        return []  # said already
    before = _messages(stack)
    try:
        language.run_text(f"Snippet{language.suffix}", _here(snippet.text, stack), {})
    except ProgramFailed as error:
        return [f"{PAGE.name}, {snippet.title}: {error}"]
    problem = _problem(stack, before)
    print(f"{PAGE.name}, {snippet.title}: {problem or 'processed, in the partition of the door'}", flush=True)
    return [f"{PAGE.name}, {snippet.title}: {problem}"] if problem else []


def _here(text: str, stack: Stack) -> str:
    there = addresses(stack)
    known = {
        "http://127.0.0.1:8000": there["DOOR"],
        "127.0.0.1:9092": there["KAFKA"],
        '"events"': f'"{stack.topic.name}"',
    }
    for written, here in known.items():
        text = text.replace(written, here)
    return text.replace("'events'", f"'{stack.topic.name}'")


def _messages(stack: Stack) -> list[tuple[int | None, Any]]:
    """Partition and value of each message of the user that the page's programs send for."""
    found = [message for message in read_all(stack.kafka, stack.topic.name) if message.key() == USER.encode()]
    return [(message.partition(), json.loads(message.value() or b"null")) for message in found]


def _problem(stack: Stack, before: list[tuple[int | None, Any]]) -> str:
    after = _messages(stack)
    new = [each for each in after if each not in before]
    if len(new) != 1:
        return f"it brought {len(new)} events"
    ((_, event),) = new
    if len({partition for partition, _ in after}) > 1:
        return "it put its event into another partition than the door"
    stack.topic.learn_ends()
    stack.wait_until_final(0)
    id = f"{event['source']} {event['id']}" if "specversion" in event else event["id"]
    rows = stack.sql("SELECT status, payload FROM processing_inboxevent WHERE id = %s", id)
    stored = [(status, json.loads(payload)) for status, payload in rows]
    return "" if stored == [("processed", PAYLOAD)] else f"the inbox holds {stored}"
