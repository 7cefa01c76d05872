"""Needs orjson, msgspec and pydantic."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import orjson
import pydantic


class Model(pydantic.BaseModel):
    at: datetime
    price: Decimal


def show(name: str, text: str) -> None:
    print(f"{name}\t{text}")


MINUTE = datetime(2025, 10, 8, 15, 30, tzinfo=timezone(timedelta(hours=2)))
show("float", json.dumps(1759937422457.0))
show("time.time", json.dumps(1759937422.457))
show("large float", json.dumps(1e16))
show("not a number", json.dumps({"n": float("nan")}))
show("half a character", json.dumps({"text": "\ud83d"}))
show("isoformat", json.dumps(MINUTE.isoformat()))
show("isoformat to the minute", json.dumps(MINUTE.isoformat(timespec="minutes")))
show("naive isoformat", json.dumps(datetime(2025, 10, 8, 15, 30).isoformat()))  # noqa: DTZ001 - it is the point
show("decimal as text", json.dumps(str(Decimal("1E+3"))))
show("decimal zero as text", json.dumps(str(Decimal("0") * Decimal("1E-8"))))
show("orjson", orjson.dumps(MINUTE).decode())
show("msgspec", msgspec.json.encode(MINUTE).decode())
show("msgspec decimal", msgspec.json.encode(Decimal("1E+3")).decode())
show("pydantic", Model(at=MINUTE.astimezone(UTC), price=Decimal("1E+3")).model_dump_json())
