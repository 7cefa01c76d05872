"""The arguments of a Lua script, packed into one: Redis and its client take long for each that stands by itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

_encode = msgspec.msgpack.Encoder().encode


def pack(arguments: Iterable[str | int | bytes]) -> bytes:
    """For `cmsgpack.unpack`, which reads no bytes; numbers as texts, as Redis gives arguments to a script."""
    return _encode([_text(each) for each in arguments])


def _text(argument: str | int | bytes) -> str:
    if isinstance(argument, str):
        return argument
    return argument.decode() if isinstance(argument, bytes) else str(argument)
