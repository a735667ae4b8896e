"""The JSON schema of a report or comparison, derived from its dataclasses: the shipped file must say the same."""

import dataclasses
import types
import typing
from typing import Any

from edge.profile.choices import Comparison
from edge.profile.report import Report

_TITLES: dict[Any, str] = {
    Report: "Report of nanotrack profile",
    Comparison: "Comparison of nanotrack profile --compare",
}
_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON Schema (2020-12) of an annotation as `edge.schema` reads it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return {"anyOf": [schema_of(inner), {"type": "null"}]}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": [schema_of(a) for a in arguments], "items": False}
    if not dataclasses.is_dataclass(kind):
        return {"type": _SIMPLE[kind]}
    hints = typing.get_type_hints(kind)
    fields = {field.name: schema_of(hints[field.name]) for field in dataclasses.fields(kind)}
    head: dict[str, Any] = {}
    if kind in _TITLES:
        fields["schema"] = {"const": 1}
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": _TITLES[kind]}
    description = " ".join((kind.__doc__ or "").split())
    return {
        **head,
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "required": list(fields),
        "properties": fields,
    }
