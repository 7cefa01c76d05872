"""A payload as a serializer of Django REST framework; handlers get its `validated_data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework import serializers
from rest_framework.settings import api_settings

from processing.domain.envelope import PIPELINE_MEMBERS, Invalid
from processing.domain.payloads import Payload, Schema, fields_of_schema, path_of

MEANINGS = {"required": "is missing"}
FORMATS: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], Schema], ...] = (  # the first that fits
    (serializers.BooleanField, {"type": "boolean"}),
    (serializers.IntegerField, {"type": "integer"}),
    (serializers.FloatField, {"type": "number"}),
    (serializers.DecimalField, {"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["42.99"]}),
    (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
    (serializers.DateField, {"type": "string", "format": "date"}),
    (serializers.TimeField, {"type": "string", "format": "time"}),
    (serializers.UUIDField, {"type": "string", "format": "uuid"}),
    (serializers.EmailField, {"type": "string", "format": "email"}),
    (serializers.URLField, {"type": "string", "format": "uri"}),
    (serializers.CharField, {"type": "string"}),
    (serializers.DictField, {"type": "object"}),
)
BOUNDS = {"min_value": "minimum", "max_value": "maximum", "min_length": "minLength", "max_length": "maxLength"}


def payload(serializer: type[serializers.Serializer[Any]]) -> Payload:
    schema = _object(serializer())
    return Payload(partial(_read, serializer), fields_of_schema(schema, {}), lambda reference: (schema, {}))


def _read(serializer: type[serializers.Serializer[Any]], members: dict[str, Any]) -> Any:
    made = serializer(data={name: value for name, value in members.items() if name not in PIPELINE_MEMBERS})
    for field in _fields(made):
        if isinstance(field, serializers.JSONField):
            field.encoder = field.encoder or DjangoJSONEncoder  # its check alone: numbers are Decimals here
    if not made.is_valid():
        path, error = _first(made.errors, ())
        raise Invalid(path_of(path), MEANINGS.get(error.code, str(error)))
    return made.validated_data


def _fields(serializer: serializers.Serializer[Any]) -> Iterator[serializers.Field[Any, Any, Any, Any]]:
    """Those of nested ones too."""
    for field in serializer.fields.values():
        yield field
        inner = getattr(field, "child", field)
        if isinstance(inner, serializers.Serializer):
            yield from _fields(inner)


def _first(errors: Any, path: tuple[int | str, ...]) -> tuple[tuple[int | str, ...], Any]:
    """The first error, and where it is: errors are nested as what they are about."""
    if isinstance(errors, dict):
        name, inner = next(iter(errors.items()))
        return _first(inner, path if name == api_settings.NON_FIELD_ERRORS_KEY else (*path, name))
    if errors and isinstance(errors[0], dict):  # of a list's items, in their order
        place = next(place for place, inner in enumerate(errors) if inner)
        return _first(errors[place], (*path, place))
    return path, errors[0]


def _object(serializer: serializers.Serializer[Any]) -> Schema:
    fields = {name: field for name, field in serializer.fields.items() if not field.read_only}
    return {
        "type": "object",
        "properties": {name: _described(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
    }


def _described(field: serializers.Field[Any, Any, Any, Any]) -> Schema:
    schema = _of_type(field)
    bounds: Mapping[str, Any] = {theirs: getattr(field, ours, None) for ours, theirs in BOUNDS.items()}
    schema |= {name: value for name, value in bounds.items() if value is not None and "type" in schema}
    if field.help_text:
        schema["description"] = str(field.help_text)
    return {"anyOf": [schema, {"type": "null"}]} if field.allow_null else schema


def _of_type(field: serializers.Field[Any, Any, Any, Any]) -> Schema:
    if isinstance(field, serializers.Serializer):
        return _object(field)
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        child: Any = field.child
        return {"type": "array", "items": _described(child)}
    if isinstance(field, serializers.MultipleChoiceField):
        return {"type": "array", "items": {"enum": list(field.choices)}}
    if isinstance(field, serializers.ChoiceField):
        return {"enum": list(field.choices)}
    return dict(next((schema for kind, schema in FORMATS if isinstance(field, kind)), {}))
