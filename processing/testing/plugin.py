"""The pipeline for pytest: `pytest_plugins = ["processing.testing.plugin"]` in the project's `conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from processing.testing.pipeline import Pipeline


@pytest.fixture
def pipeline(db: None) -> Iterator[Pipeline]:
    """In the transaction of the test, which pytest-django's `db` rolls back."""
    made = Pipeline()
    yield made
    made.close()
