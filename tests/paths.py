"""Where things lie, wherever the test that asks stands."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
MOVES = DATA / "game_events.jsonl"  # of a chess match, shuffled
