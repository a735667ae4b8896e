from pathlib import Path

from edge.motchallenge import read_tracks
from edge.sinks.mot import MotText
from tests.sinks.tracks import frame, tracks


def test_rows_of_ten_fields_that_read_back(tmp_path: Path) -> None:
    sink = MotText(tmp_path / "o.txt")
    sink.write(frame(1), tracks(3, 5))
    sink.write(frame(2), tracks())
    sink.write(frame(4), tracks(5))
    sink.close()
    text = (tmp_path / "o.txt").read_text()
    assert text.splitlines()[0] == "1,3,10.00,20.25,15.00,40.25,0.7500,-1,-1,-1"
    rows = read_tracks(tmp_path / "o.txt")
    assert (rows.frames.tolist(), rows.ids.tolist()) == ([1, 1, 4], [3, 5, 5])
