import json
from pathlib import Path
from typing import Any

import pytest

from edge.sinks.jsonl import SCHEMA, JsonLines
from tests.sinks.tracks import frame, tracks

_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}


def mistakes(schema: dict[str, Any], value: Any, where: str = "line") -> list[str]:
    """What is wrong with `value`: the part of JSON Schema that our schema uses, and no more."""
    known = {"$schema", "title", "description", "type", "required", "additionalProperties", "properties", "items"}
    known |= {"oneOf", "const", "enum", "minimum", "maximum", "minItems", "maxItems"}
    assert set(schema) <= known, set(schema) - known
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not mistakes(one, value, where)]
        return [] if len(fitting) == 1 else [f"{where}: fits {len(fitting)} of the forms: {value}"]
    if "const" in schema:
        return [] if value == schema["const"] else [f"{where}: {value} is not {schema['const']}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value} is none of {schema['enum']}"]
    if not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool):
        return [f"{where}: {value!r} is no {schema['type']}"]
    found = []
    if isinstance(value, dict):
        found += [f"{where}: lacks {name}" for name in schema["required"] if name not in value]
        found += [f"{where}: has {name}" for name in value if name not in schema["properties"]]
        for name in value.keys() & schema["properties"].keys():
            found += mistakes(schema["properties"][name], value[name], f"{where}.{name}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        for item in value:
            found += mistakes(schema["items"], item, f"{where}[]")
    elif not isinstance(value, str) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value} is out of range")
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    schema = json.loads(SCHEMA.read_text())
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [mistake for line in lines for mistake in mistakes(schema, line)] == []
    return lines


def sink(path: Path, **more: Any) -> JsonLines:
    return JsonLines(path, run="r1", camera='back "door"', classes=["person"], lost_s=0.25, **more)


def test_a_frame_is_one_line_that_fits_the_schema(tmp_path: Path) -> None:
    out = sink(tmp_path / "o.jsonl")
    out.write(frame(1), tracks(4, 7))
    out.write(frame(2), tracks())
    first, second = lines_of(tmp_path / "o.jsonl")
    assert first == {
        "v": 1,
        "run": "r1",
        "camera": 'back "door"',
        "frame": 1,
        "t_mono_ns": 0,
        "size": [128, 96],
        "tracks": [
            {"id": 4, "cls": "person", "conf": 0.75, "xyxy": [10.0, 20.25, 25.0, 60.5], "age": 0},
            {"id": 7, "cls": "person", "conf": 0.75, "xyxy": [30.0, 20.25, 45.0, 60.5], "age": 0},
        ],
    }
    assert (second["frame"], second["t_mono_ns"], second["tracks"]) == (2, 100_000_000, [])
    out.close()


def test_identities_end_when_the_tracker_gives_them_up_and_at_the_end(tmp_path: Path) -> None:
    out = sink(tmp_path / "o.jsonl")  # .25 s at 10 frames a second: two frames may be missed
    shown = {1: [1, 2], 2: [1, 2], 3: [2], 4: [2], 5: [1, 2], 6: [2], 7: [2], 8: [2]}
    for number, ids in shown.items():
        out.write(frame(number), tracks(*ids))
    out.close()
    events = [line for line in lines_of(tmp_path / "o.jsonl") if "event" in line]
    assert [(e["id"], e["reason"], e["frames"], e["t_mono_ns"]) for e in events] == [
        (1, "lost", 3, 700_000_000),
        (2, "stopped", 8, 700_000_000),
    ]
    ages = {line["frame"]: line["tracks"][0]["age"] for line in lines_of(tmp_path / "o.jsonl") if "frame" in line}
    assert (ages[2], ages[5]) == (1, 4)


def test_the_wall_clock_is_a_label_where_there_is_one(tmp_path: Path) -> None:
    out = sink(tmp_path / "o.jsonl", utc=lambda: 1_790_000_000.1204)
    out.write(frame(1), tracks(1))
    out.close()
    assert {line["t_utc"] for line in lines_of(tmp_path / "o.jsonl")} == {"2026-09-21T14:13:20.120Z"}


def test_frames_without_pictures_have_no_size(tmp_path: Path) -> None:
    out = sink(tmp_path / "o.jsonl")
    out.write(frame(1, size=(0, 0)), tracks(1))
    (line,) = lines_of(tmp_path / "o.jsonl")
    assert "size" not in line
    out.close()


@pytest.mark.parametrize("spoiled", [{"v": 2}, {"extra": 1}, {"tracks": [{"id": 0}]}, {"size": [1]}])
def test_the_schema_refuses_other_lines(spoiled: dict[str, Any]) -> None:
    line = {"v": 1, "run": "r", "camera": "c", "frame": 1, "t_mono_ns": 0, "size": [1, 1], "tracks": []}
    schema = json.loads(SCHEMA.read_text())
    assert mistakes(schema, line) == []
    assert mistakes(schema, line | spoiled)
