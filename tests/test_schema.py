"""Mappings become checked dataclasses, and every mistake is reported at once."""

from dataclasses import dataclass
from typing import Literal

import pytest

from edge.schema import build, within


@dataclass(frozen=True)
class Inner:
    size: tuple[int, int]
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio must lie in 0..1, found {self.ratio}")


@dataclass(frozen=True)
class Outer:
    name: str
    mode: Literal["fast", "exact"]
    inner: Inner
    parts: dict[str, Inner]
    tags: tuple[str, ...] = ()
    note: str | None = None
    on: bool = False


GOOD = {
    "name": "a",
    "mode": "fast",
    "inner": {"size": [1, 2], "ratio": 1},
    "parts": {"x": {"size": [3, 4]}},
    "tags": ["b", "c"],
}


def test_a_good_mapping_becomes_the_dataclass_with_defaults_filled_in() -> None:
    value, mistakes = build(Outer, GOOD)
    assert mistakes == []
    assert value == Outer("a", "fast", Inner((1, 2), 1.0), {"x": Inner((3, 4))}, ("b", "c"))
    assert isinstance(value.inner.ratio, float)


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"name": 3}, "name: expected text, found 3"),
        ({"on": 1}, "on: expected true or false, found 1"),
        ({"mode": "slow"}, "mode: expected 'fast' or 'exact', found 'slow'"),
        ({"nmae": "a"}, "nmae: unknown key; did you mean 'name'?"),
        ({"inner": {"size": [1, True]}}, "inner.size[1]: expected a whole number, found True"),
        ({"inner": {"size": [1]}}, "inner.size: expected 2 values, found 1"),
        ({"inner": {"size": [1, 2], "ratio": 2.0}}, "inner: ratio must lie in 0..1, found 2.0"),
        ({"inner": {}}, "inner.size: missing"),
        ({"inner": []}, "inner: expected a table, found []"),
        ({"parts": {"x": {"size": "ab"}}}, "parts.x.size: expected a list, found 'ab'"),
        ({"tags": [1]}, "tags[0]: expected text, found 1"),
    ],
)
def test_a_mistake_is_named_by_its_path(change: dict[str, object], mistake: str) -> None:
    value, mistakes = build(Outer, GOOD | change)
    assert value is None
    assert mistakes == [mistake]


def test_all_mistakes_are_reported_at_once() -> None:
    _, mistakes = build(Outer, {"name": 1, "inner": {"size": [1, 2], "ratoi": 0.1}, "parts": {}})
    assert mistakes == [
        "name: expected text, found 1",
        "mode: missing",
        "inner.ratoi: unknown key; did you mean 'ratio'?",
    ]


def test_a_mapping_is_required_at_the_top() -> None:
    assert build(Outer, [1]) == (None, ["top level: expected a table, found [1]"])


@dataclass(frozen=True)
class Item:
    name: str
    wait_s: float = within(0.5, 120, 5.0)
    share: float | None = within(0, 1, None)


@dataclass(frozen=True)
class Items:
    item: tuple[Item, ...]


def test_numbers_stay_within_their_range_and_items_are_called_by_name() -> None:
    bad = [{"name": "door", "wait_s": 0}, {"name": "yard", "share": float("nan")}, {"wait_s": 1}]
    assert build(Items, {"item": bad})[1] == [
        "item.door.wait_s: expected a number from 0.5 to 120, found 0; the default is 5.0",
        "item.yard.share: expected a number from 0 to 1, found nan",
        "item[2].name: missing",
    ]
    items, mistakes = build(Items, {"item": [{"name": "door", "wait_s": 120, "share": 1}]})
    assert (items, mistakes) == (Items((Item("door", 120.0, 1.0),)), [])
