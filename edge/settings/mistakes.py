"""What pydantic finds wrong in a configuration, as sentences: what, where, expected, found, what to do."""

import difflib
import reprlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from edge.settings.positions import KeyPath

_MOST_SHOWN = 100
_RULE = "rule"
# What is no mistake of type or range, but of meaning, is reported for the section.
_OF_SECTION = {_RULE, "value_error", "too_short", "too_long"}
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
}


def rule(key: str, text: str) -> PydanticCustomError:
    """The error of a rule over several keys of a section, raised by the validator of one of them.

    It is reported at `key`, the one that the user would change.
    """
    return PydanticCustomError(_RULE, "{text}", {"key": key, "text": text})


def limits(field: FieldInfo) -> tuple[float, float] | None:
    """The least and the largest value of a number, None where any will do."""
    bounds = {name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le") if hasattr(limit, name)}
    return (bounds["ge"], bounds["le"]) if len(bounds) == 2 else None


def fields_of(section: type) -> Mapping[str, FieldInfo]:
    """The keys of a section; none of what is no section."""
    return getattr(section, "__pydantic_fields__", {})


def sections_in(annotation: Any) -> list[type]:
    """The sections in the annotation of a key, such as `Zone` in `tuple[Zone, ...]`."""
    found = [annotation] if isinstance(annotation, type) and fields_of(annotation) else []
    return [*found, *(part for argument in typing.get_args(annotation) for part in sections_in(argument))]


def described(error: ValidationError, schema: type, data: object) -> Iterator[tuple[KeyPath, str]]:
    """Each mistake of `data`, as the path of what is wrong and a sentence that begins with its key."""
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # an item is wrong, which is told by itself, and pydantic does not count it
        if detail["type"] == _RULE:
            path = (*path[:-1], detail["ctx"]["key"])
        is_of_section = detail["type"] in _OF_SECTION and len(path) > 1 and isinstance(path[-1], str)
        name = f"{name_of(path[:-1], data)}: {path[-1]}" if is_of_section else name_of(path, data)
        yield path, f"{name}: {_sentence(detail, schema)}"


def repeated_names(data: object) -> Iterator[tuple[KeyPath, str]]:
    """Each name that several tables of one list have, at the second of them."""
    for path, items in _lists(data, ()):
        names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
        for i, name in enumerate(names):
            if isinstance(name, str) and names[:i].count(name) == 1:
                text = f"expected one {path[-1]} of that name, found {names.count(name)}"
                yield (*path, i, "name"), f"{name_of((*path, i), data)}: {text}"


def _lists(data: object, path: KeyPath) -> Iterator[tuple[KeyPath, Sequence[object]]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _lists(value, (*path, key))
    elif isinstance(data, list):
        yield path, data
        for i, item in enumerate(data):
            yield from _lists(item, (*path, i))


def name_of(path: KeyPath, data: object) -> str:
    """`path` as a user knows it: "camera.door.stall_s", with a name in place of a number where an item has one."""
    name = ""
    for part in path:
        data = _child(data, part)
        if isinstance(part, str):
            name = f"{name}.{part}" if name else part
        else:
            own = data.get("name") if isinstance(data, Mapping) else None
            name += f".{own}" if isinstance(own, str) and own else f"[{part}]"
    return name or "top level"


def _child(data: object, part: str | int) -> object:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, Sequence) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _sentence(detail: ErrorDetails, schema: type) -> str:
    kind, path, found = detail["type"], detail["loc"], shown(detail["input"])
    if kind == "unexpected_keyword_argument":
        near = difflib.get_close_matches(str(path[-1]), fields_of(_section_at(schema, path[:-1])), n=1)
        return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if kind == "missing":
        return "missing"
    if kind == "tuple_type" and isinstance(detail["input"], Mapping):
        name = ".".join(part for part in path if isinstance(part, str))
        return f"expected a list of tables: write [[{name}]] in place of [{name}]"
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}, found {found}"
    if kind == "literal_error":
        return f"expected {detail['ctx']['expected'].replace(', ', ' or ')}, found {found}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return _out_of_range(detail, fields_of(_section_at(schema, path[:-1])).get(str(path[-1])))
    if kind in ("too_short", "too_long"):
        least, most = detail["ctx"].get("min_length"), detail["ctx"].get("max_length")
        return f"expected {f'at most {most}' if least is None else f'at least {least}'}, found {len(detail['input'])}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return f"{detail['msg']}, found {found}"


def _out_of_range(detail: ErrorDetails, field: FieldInfo | None) -> str:
    found, bounds = shown(detail["input"]), limits(field) if field else None
    if field is None or bounds is None:
        return f"{detail['msg']}, found {found}"
    remedy = "" if field.default is None or field.is_required() else f"; the default is {field.default}"
    least, most = (f"{bound:,.0f}" if abs(bound) >= 1e5 else f"{bound:g}" for bound in bounds)
    return f"expected a number from {least} to {most}, found {found}{remedy}"


def _section_at(schema: type, path: KeyPath) -> type:
    """The section that `path` leads to."""
    for part in path:
        if isinstance(part, str) and part in fields_of(schema):
            found = sections_in(fields_of(schema)[part].annotation)
            schema = found[0] if found else object
    return schema


def shown(data: object) -> str:
    """`data` for a message, cut short: a file may hold megabytes."""
    text = (
        f"{data:g}" if isinstance(data, float) else reprlib.repr(data) if isinstance(data, (list, dict)) else repr(data)
    )
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
