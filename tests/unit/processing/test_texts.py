"""Numbers with their nouns, and sentences."""

from __future__ import annotations

import pytest

from processing.domain.texts import counted, sentence


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "event", "0 events"),
        (1, "event", "1 event"),
        (10_000, "event", "10,000 events"),
        (1, "loss", "1 loss"),
        (2, "loss", "2 losses"),
        (2, "ledger entry", "2 ledger entries"),
        (30, "day", "30 days"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told


@pytest.mark.parametrize(("text", "told"), [("", ""), ("no Worker runs", "No Worker runs"), ("'u-1' has", "'u-1' has")])
def test_a_sentence_begins_large_and_keeps_its_names(text: str, told: str) -> None:
    assert sentence(text) == told
