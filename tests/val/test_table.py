"""The table of scores: short names, 80 columns, the best in bold."""

import pytest

from edge.val import table
from edge.val.score import COMBINED, METRICS, Scores


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["MOT17-02-FRCNN", "MOT17-13-FRCNN"], ["02", "13"]),
        (["MOT17-02-FRCNN", "MOT17-02-SDP"], ["FRCNN", "SDP"]),
        (["dancetrack0004", "dancetrack0014"], ["0004", "0014"]),
        (["ADL-Rundle-6", "TUD-Campus"], ["ADL-Rundle-6", "TUD-Campus"]),
        (["A", "AB"], ["A", "AB"]),  # nothing would be left of the first one
        (["MOT17-02"], ["MOT17-02"]),
    ],
)
def test_short_names(names: list[str], short: list[str]) -> None:
    assert list(table.short_names(names).values()) == short


def _scores(hota: float) -> Scores:
    return {name: hota if name == "HOTA" else 123456 if name in ("FP", "FN") else 100 for name in METRICS}


def _shown(capsys: pytest.CaptureFixture[str], methods: dict[str, float]) -> list[str]:
    scores = {m: {n: _scores(h) for n in ("MOT17-02-FRCNN", "MOT17-04-FRCNN", COMBINED)} for m, h in methods.items()}
    table.show(scores, {method: dict.fromkeys((*scores[method],), 4321.0) for method in methods})
    return capsys.readouterr().out.splitlines()


def test_80_columns_with_the_total_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(capsys, {"nanotrack": 70.24, "bytetrack": 69.96})
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["sequence", "method", *METRICS, "FPS"]
    assert lines[1].split()[:3] == ["COMBINED", "nanotrack", "70.2"]
    assert lines[2].split()[:2] == ["bytetrack", "70.0"]
    assert [line.split()[0] for line in lines if "nanotrack" in line] == ["COMBINED", "02", "04"]


def test_columns_are_left_out_where_there_is_no_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = _shown(capsys, {"nanotrack": 70, "bytetrack:reference:track_thresh=0.3": 70})
    assert max(map(len, lines)) <= 80
    assert "bytetrack:reference:track_thresh=0.3" in lines[2]
    assert lines[-1].startswith("no room for Frag, DetA, AssA")
    assert all(word in lines[0] for word in ("HOTA", "MOTA", "IDF1", "IDSW", "FPS"))
