"""The numbers a method can be tuned with: declared in its frozen dataclass, checked here."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from edge.errors import UsageError

T = TypeVar("T")


class Parameters(Protocol):
    """What the parameters of every method have: they are a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def track_buffer(self) -> float:
        """How long a track that is not seen is kept, in frames at 30 a second."""


def number(default: float, low: float, high: float, *, was: str | None = None) -> Any:
    """A dataclass field for a number in `low`..`high`; `was` is a former name, which is still accepted."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "was": was})


@dataclasses.dataclass(frozen=True)
class ReentryParameters:
    """Parameters of re-entry, see `edge.track.appearance.reentry`.

    `reentry_cosine`, `reentry_s`: with appearance, how alike a new track and one unseen for up to this long must be to
    be one (on OSNet 1 in 100 pairs of people are more alike, and 97 of 100 pairs of pictures of one person).
    """

    reentry_cosine: float = number(0.75, -1, 1)
    reentry_s: float = number(30, 0, 1e6)


@dataclasses.dataclass(frozen=True)
class AppearanceParameters(ReentryParameters):
    """Parameters of `edge.track.stages.compare_appearance`, and of re-entry.

    `appearance_limit`, `appearance_iou`: with appearance, half of 1 - cosine up to this is the first stage's cost if it
    is smaller and the IoU is no less: BoT-SORT's rule. Its limit is .25, which half of all pairs of people pass on
    OSNet; 1 in 100 pass ours (docs/results).
    """

    appearance_limit: float = number(0.12, 0, 0.49, was="looks_limit")
    appearance_iou: float = number(0.5, 0, 1, was="looks_iou")


def build(cls: type[T], method: str, values: Mapping[str, object]) -> T:
    """The parameters of `method` with `values` in place of the defaults.

    Raises UsageError for an unknown name (with the nearest valid one) and for a value out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    renamed = {field.metadata["was"]: field.name for field in fields.values()}
    chosen = {}
    for given, value in values.items():
        name = renamed.get(given, given)
        if name not in fields:
            raise UsageError(f"{method}: unknown parameter {name!r}; {nearest(name, fields)}")
        chosen[name] = value
        low, high = fields[name].metadata["low"], fields[name].metadata["high"]
        kind = "a whole number" if fields[name].type in (int, "int") else "a number"
        whole = kind == "a number" or (isinstance(value, (int, float)) and value == int(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (low <= value <= high and whole):
            raise UsageError(
                f"{method}: {name} = {value!r}: expected {kind} from {low:g} to {high:g}; "
                f"leave it out for the default of {fields[name].default:g}"
            )
    return cls(**chosen)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Advice for a name that is none of `valid`."""
    valid = list(valid)
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(valid)}"
