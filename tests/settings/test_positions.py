"""Every key of a TOML file is found where it stands, whatever the way it is written."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.settings.positions import KeyPath, Positions
from tests.settings import toml

DOCUMENT = r'''# a comment with [brackets] and key = "value"
title = "a # b \" ] }"   # behind
'literal key' = 'C:\x'
"quoted \u0041" = """
[no] header = here \"""
""" # and on
physical.color = "orange"
physical . "shape" = QQQ
roundQQQ''
times = [1979-05-27 07:32:00Z, 07:32:00]
nested = [ [1, 2], # one, two
  [ "a, ]", 'b' ],
]
inline = { a = 1, b.c = [{ d = "x" }, { d = "y" }], "e f" = {} }
[servers.alpha]
ip = "10.0.0.1"
[[camera]]
name = "one"
[[camera.zone]]
name = "till"
points = [[0.1, 0.5],
          [0.5, 0.5]]
[[camera.zone]]
name = "door"
[camera.more]
x = 1e3
[[camera]]
name = "two"
'''.replace("QQQ", "'''")


def paths_of(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """All paths in what `tomllib` read."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from paths_of(value, (*path, key))


def text_at(text: str, positions: Positions, path: KeyPath) -> str:
    line, column = positions[path]
    return text.split("\n")[line - 1][column - 1 :]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_and_item_has_its_place(newline: str) -> None:
    text = DOCUMENT.replace("\n", newline)
    positions = Positions(text)
    for path in paths_of(toml.loads(text)):
        assert path in positions, path


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        (("title",), "title ="),
        (("quoted A",), '"quoted'),
        (("physical", "color"), "color ="),
        (("physical", "shape"), '"shape"'),
        (("nested", 1, 0), '"a, ]"'),
        (("inline", "b", "c", 1, "d"), 'd = "y"'),
        (("servers", "alpha", "ip"), "ip"),
        (("camera", 0), "camera]]"),
        (("camera", 0, "zone", 0, "points", 1), "[0.5, 0.5]]"),
        (("camera", 0, "zone", 1, "name"), 'name = "door"'),
        (("camera", 0, "more", "x"), "x = 1e3"),
        (("camera", 1, "name"), 'name = "two"'),
        (("camera", 1, "absent"), "camera]]"),
    ],
)
def test_a_place_is_where_its_key_stands(path: KeyPath, begins: str) -> None:
    assert text_at(DOCUMENT, Positions(DOCUMENT), path).startswith(begins)


_KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), st.text(st.characters(codec="ascii"), max_size=5)
)
_VALUES = st.recursive(
    st.one_of(st.integers(-99, 99), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


def key_text(key: str) -> str:
    return json.dumps(key, ensure_ascii=False).replace("\x7f", r"\u007F")


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key_text(key)} = {written(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ",\n ".join(map(written, value)) + "]"
    return key_text(value) if isinstance(value, str) else json.dumps(value)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4), st.lists(st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=3))
def test_made_up_files_have_a_place_for_everything(top: dict[str, Any], tables: list[dict[str, Any]]) -> None:
    lines = [f"{key_text(key)} = {written(value)}" for key, value in top.items()]
    for table in tables:
        lines += ['[["the list of tables"]]', *(f"{key_text(key)} = {written(value)}" for key, value in table.items())]
    text = "\n".join(lines)
    positions = Positions(text)
    for path in paths_of(toml.loads(text)):
        assert path in positions
        if path and isinstance(path[-1], str) and path != ("the list of tables",):
            assert text_at(text, positions, path).startswith(key_text(path[-1]))
