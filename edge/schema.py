"""Plain mappings (JSON, TOML) into frozen dataclasses, strictly, with every mistake reported at once.

The dataclass is the schema: its annotations say what is expected and its defaults what may be left out. Supported
annotations: str, int, float, bool, `Literal`, `X | None`, `tuple[X, ...]`, `tuple[X, Y, Z]`, `dict[str, X]` and other
dataclasses. Numbers made with `within` have a range; other checks stand in `__post_init__` and raise ValueError. An
item of a list that has a name is called by it: "camera.door.stall_s".
"""

import dataclasses
import difflib
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_MOST_SHOWN = 100
_NAMES: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def within(low: float, high: float, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field for a number from `low` to `high`; without a default it must be given."""
    return dataclasses.field(default=default, metadata=bounds(low, high))


def bounds(low: float, high: float) -> dict[str, float]:
    """The metadata of a field for a number from `low` to `high`, where it stands without a default."""
    return {"low": low, "high": high}


def build(cls: type[T], data: object) -> tuple[T | None, list[str]]:
    """An instance of dataclass `cls` from `data` and the list of mistakes; None when there is any.

    A mistake reads "detector.input.width: expected a whole number, found '416'".
    """
    mistakes: list[str] = []
    value = _value(cls, data, "", mistakes)
    return (None, mistakes) if mistakes else (value, [])


def _value(kind: Any, data: object, path: str, mistakes: list[str]) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, data, path, mistakes)
    if origin is typing.Literal:
        if data not in arguments:
            mistakes.append(f"{path}: expected {' or '.join(map(repr, arguments))}, found {_shown(data)}")
        return data
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return None if data is None else _value(inner, data, path, mistakes)
    if origin is tuple:
        return _tuple(arguments, data, path, mistakes)
    if origin is dict:
        if not isinstance(data, Mapping):
            mistakes.append(f"{path}: expected a table, found {_shown(data)}")
            return {}
        return {str(k): _value(arguments[1], v, _join(path, str(k)), mistakes) for k, v in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return _float(data, path, mistakes)
    if not isinstance(data, kind) or (kind is not bool and isinstance(data, bool)):
        mistakes.append(f"{path}: expected {_NAMES[kind]}, found {_shown(data)}")
    return data


def _tuple(arguments: tuple[Any, ...], data: object, path: str, mistakes: list[str]) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        mistakes.append(f"{path}: expected a list, found {_shown(data)}")
        return ()
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(data)
    elif len(data) != len(arguments):
        mistakes.append(f"{path}: expected {len(arguments)} values, found {len(data)}")
        return ()
    return tuple(
        _value(a, v, _item(path, i, v), mistakes) for i, (a, v) in enumerate(zip(arguments, data, strict=True))
    )


def _item(path: str, index: int, data: object) -> str:
    name = data.get("name") if isinstance(data, Mapping) else None
    return f"{path}.{name}" if isinstance(name, str) and name else f"{path}[{index}]"


def _dataclass(cls: type, data: object, path: str, mistakes: list[str]) -> Any:
    if not isinstance(data, Mapping):
        mistakes.append(f"{path or 'top level'}: expected a table, found {_shown(data)}")
        return None
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            mistakes.append(f"{_join(path, str(key))}: unknown key" + (f"; did you mean {near[0]!r}?" if near else ""))
    before = len(mistakes)
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], _join(path, name), mistakes)
            _check_range(field, values[name], _join(path, name), mistakes)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            mistakes.append(f"{_join(path, name)}: missing")
    if len(mistakes) > before:
        return None
    try:
        return cls(**values)
    except ValueError as error:
        mistakes.append(f"{path or 'top level'}: {error}")
        return None


def _check_range(field: "dataclasses.Field[Any]", value: object, path: str, mistakes: list[str]) -> None:
    if "low" not in field.metadata or isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    low, high = field.metadata["low"], field.metadata["high"]
    if not low <= value <= high:  # NaN is in no range
        remedy = "" if field.default in (None, dataclasses.MISSING) else f"; the default is {field.default}"
        mistakes.append(f"{path}: expected a number from {low:g} to {high:g}, found {_shown(value)}{remedy}")


def _float(data: int | float, path: str, mistakes: list[str]) -> float:
    try:
        return float(data)
    except OverflowError:
        mistakes.append(f"{path}: expected a number, found one that is too large")
        return 0.0


def _shown(data: object) -> str:
    """`data` for a message, cut short: a file may hold megabytes."""
    text = (
        f"{data:g}" if isinstance(data, float) else reprlib.repr(data) if isinstance(data, (list, dict)) else repr(data)
    )
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
