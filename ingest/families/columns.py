"""Columns that keep what was sent digit by digit: money, and JSON with numbers."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import models
from psycopg.types.json import Jsonb

from processing.domain.decode import decode_json, exact_decoder

_decoder = exact_decoder(object)
_encode = msgspec.json.Encoder(decimal_format="number").encode  # of integers of any size, as jsonb has 1e300


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """Postgres' `numeric` without scale: an amount has as many decimals as its currency (`parsing.money`)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "max_digits": None, "decimal_places": None})

    def check(self, **options: Any) -> list[Any]:
        return super(models.DecimalField, self).check(**options)  # all but that there is a scale

    def db_type(self, connection: Any) -> str:
        return "numeric"


class ExactJSONField(models.JSONField):
    """jsonb whose numbers are integers or Decimals in Python: Postgres keeps their digits, a float would not."""

    def deconstruct(self) -> Any:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options  # to the database it is the same

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return decode_json(_decoder, value.encode()) if isinstance(value, str) else value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or isinstance(value, models.Value | models.Func):
            return super().get_db_prep_value(value, connection, prepared)
        return Jsonb(value, dumps=_encode)
