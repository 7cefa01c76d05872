"""What a Lua script gets as its one argument."""

from __future__ import annotations

import msgspec

from processing.domain.lua_arguments import pack
from processing.domain.statuses import Status


def test_all_arguments_are_texts() -> None:
    packed = pack(["\0ü", 7, "ü".encode(), Status.RETRYING, ""])
    assert msgspec.msgpack.decode(packed) == ["\0ü", "7", "ü", "retrying", ""]
