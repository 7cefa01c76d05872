"""Tests on services that CI does not have: those of Debian, and several at once. `make test-services` runs them.

Another service joins in as a file here: its class (see `debian`), its tests, and `needs(…)` for its packages.
"""

from __future__ import annotations

from tests.pipeline.conftest import database, empty_database, make_stack, valkey

__all__ = ["database", "empty_database", "make_stack", "valkey"]
