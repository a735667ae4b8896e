"""The numbers a method can be tuned with: declared in its frozen dataclass, checked here."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from edge.errors import UsageError

T = TypeVar("T")


def number(default: float, low: float, high: float) -> Any:
    """A dataclass field for a number in `low`..`high`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def build(cls: type[T], method: str, values: Mapping[str, object]) -> T:
    """The parameters of `method` with `values` in place of the defaults.

    Raises UsageError for an unknown name (with the nearest valid one) and for a value out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in fields:
            raise UsageError(f"{method}: unknown parameter {name!r}; {nearest(name, fields)}")
        low, high = fields[name].metadata["low"], fields[name].metadata["high"]
        kind = "a whole number" if fields[name].type in (int, "int") else "a number"
        whole = kind == "a number" or (isinstance(value, (int, float)) and value == int(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (low <= value <= high and whole):
            raise UsageError(
                f"{method}: {name} = {value!r}: expected {kind} from {low:g} to {high:g}; "
                f"leave it out for the default of {fields[name].default:g}"
            )
    return cls(**values)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Advice for a name that is none of `valid`."""
    valid = list(valid)
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(valid)}"
