import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.errors import OutputError
from edge.events import CameraChanged, Event, Moment, Origin
from edge.sinks.jsonl import JsonLines
from edge.sinks.recording import RecordingOutputs
from edge.sinks.wire import SCHEMA, line_of
from edge.spans import Spans
from tests.sinks.schema import lines_of, mistakes
from tests.sinks.tracks import Remembering, frame, tracks

NEVER_AGAIN = Remembering(0.25)


def sink(path: Path) -> RecordingOutputs:
    return RecordingOutputs({"jsonl": JsonLines(path)}, Origin("r1", 'back "door"', ["person"]), NEVER_AGAIN, Spans())


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


def test_the_wall_clock_is_a_label_where_there_is_one() -> None:
    origin = Origin("r1", "door", ["person"])
    for utc_s, shown in ((None, None), (1_790_000_000.1204, "2026-09-21T14:13:20.120Z")):
        line = json.loads(line_of(CameraChanged(origin, Moment(1.0, utc_s), "online", "")))
        assert line.get("t_utc") == shown


def test_a_reason_holds_no_secret() -> None:
    reason = "rtsp://me:s3cret@h/x?token=s3cret: no camera answers"
    line = line_of(CameraChanged(Origin("r1", "door", []), Moment(1.0, None), "offline", reason))
    assert json.loads(line)["reason"] == "rtsp://***@h/x?token=***: no camera answers"


def test_an_output_that_fails_does_not_keep_others_open(tmp_path: Path) -> None:
    class Broken:
        closed = 0

        def start(self) -> None: ...

        def write(self, events: Sequence[Event]) -> None:
            raise OutputError("no room")

        def close(self) -> None:
            self.closed += 1

    broken, path = Broken(), tmp_path / "o.jsonl"
    outputs = RecordingOutputs(
        {"broken": broken, "jsonl": JsonLines(path)}, Origin("r", "c", ["person"]), NEVER_AGAIN, Spans()
    )
    with pytest.raises(OutputError, match="no room"):
        outputs.write(frame(1), tracks(1))
    with pytest.raises(OutputError, match="no room"):
        outputs.close()
    assert broken.closed == 1
    assert [line["event"] for line in lines_of(path)] == ["end"]


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
