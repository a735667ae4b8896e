"""The judge gives TrackEval's published numbers, on a sequence worked out by hand and on real outputs."""

import json
import sys
from pathlib import Path

import pytest

from edge.errors import DataError, UnavailableError
from edge.val.dataset import Sequence, find_sequences
from edge.val.score import combine, judge, judge_version, scores
from tests.toy import rows, write_sequence

pytest.importorskip("trackeval")


def toy(folder: Path, truth: str | None = None) -> Sequence:
    write_sequence(folder / "A", truth=truth)
    (sequence,) = find_sequences(folder, "MOT17")
    return sequence


def test_a_miss_and_a_change_of_identity_cost_what_they_should(tmp_path: Path) -> None:
    # IoU .887 everywhere: 17 of HOTA's 19 thresholds match. Person 2 is missed in frames 10 and 11, then has a new id.
    lines = [line.replace(",100,100,100,100,", ",106,100,100,100,") for line in rows(30, "1,-1,-1,-1").splitlines()]
    lines = [line.replace(",500,", ",506,") for line in lines]
    tracks = tmp_path / "tracks.txt"
    kept = []
    for line in lines:
        frame, identity, rest = line.split(",", 2)
        if identity == "2" and int(frame) >= 10:
            identity = "3"
        if not (identity == "3" and int(frame) < 12):
            kept.append(f"{frame},{identity},{rest}\n")
    tracks.write_text("".join(kept))
    found = scores(judge(toy(tmp_path), "MOT17", tracks))
    expected = {"HOTA": 77.257, "DetA": 86.491, "AssA": 69.008, "MOTA": 95.0, "IDF1": 83.051}
    assert found == pytest.approx(expected | {"IDSW": 1, "Frag": 1, "FP": 0, "FN": 2}, abs=0.0006)


def test_nothing_and_everything(tmp_path: Path) -> None:
    sequence, tracks = toy(tmp_path), tmp_path / "tracks.txt"
    tracks.write_text("")
    nothing = scores(judge(sequence, "MOT17", tracks))
    assert (nothing["HOTA"], nothing["MOTA"], nothing["FN"]) == (0, 0, 60)
    tracks.write_text(rows(30, "1,-1,-1,-1"))
    everything = judge(sequence, "MOT17", tracks)
    assert scores(everything)["HOTA"] == scores(everything)["MOTA"] == scores(everything)["IDF1"] == 100
    both = scores(combine({"A": everything, "B": judge(sequence, "MOT17", tracks)}))
    assert both == scores(everything)


def test_distractors_and_ignored_boxes_do_not_count(tmp_path: Path) -> None:
    tracks = tmp_path / "tracks.txt"
    tracks.write_text(rows(30, "1,-1,-1,-1"))
    truth = rows(30, "1,1,1")
    static = "".join(
        line.replace("1,1,1", "0,7,1") if line.split(",")[1] == "2" else line for line in truth.splitlines(True)
    )
    found = scores(judge(toy(tmp_path, static), "MOT17", tracks))
    assert (found["MOTA"], found["FP"], found["FN"]) == (100, 0, 0)


def test_only_the_frames_of_the_sequence_count(tmp_path: Path) -> None:
    sequence, tracks = toy(tmp_path).dropping(0.5, seed=1), tmp_path / "tracks.txt"
    delivered = set(sequence.frames.tolist())
    assert 5 < len(delivered) < 25
    kept = (line for line in rows(30, "1,-1,-1,-1").splitlines(True) if int(line.split(",")[0]) in delivered)
    tracks.write_text("".join(kept))
    assert scores(judge(sequence, "MOT17", tracks))["HOTA"] == 100
    tracks.write_text(rows(30, "1,-1,-1,-1"))  # boxes in the dropped frames make no difference
    assert scores(judge(sequence, "MOT17", tracks))["FP"] == 0


def test_two_boxes_of_one_identity_in_a_frame_are_an_error(tmp_path: Path) -> None:
    tracks = tmp_path / "tracks.txt"
    tracks.write_text("1,1,0,0,9,9,1,-1,-1,-1\n1,1,50,0,9,9,1,-1,-1,-1\n")
    with pytest.raises(DataError, match=r"tracks.txt against .*gt.txt: .*same ID more than once"):
        judge(toy(tmp_path), "MOT17", tracks)


def test_without_trackeval_the_error_has_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackeval", None)
    with pytest.raises(UnavailableError, match=r"pip install --no-deps trackeval==1\.3\.0 scipy"):
        judge_version()


def test_a_published_trackers_scores_are_reproduced(data: Path) -> None:
    published = json.loads((data / "trackeval_reference.json").read_text())["MOT17-FRCNN"]
    results = {
        sequence.name: judge(sequence, "MOT17", data / f"mot17/tracks_MPNTrack_FRCNN/{sequence.name}.txt")
        for sequence in find_sequences(data / "mot17/gt", "MOT17")
    }
    ours = {f"{name}-FRCNN": scores(result) for name, result in results.items()}
    ours["COMBINED_SEQ"] = scores(combine(results))
    assert ours.keys() == published.keys()
    for name, found in ours.items():
        expected = {metric: published[name][metric] for metric in found if metric in published[name]}
        assert len(expected) >= 8
        assert {metric: found[metric] for metric in expected} == pytest.approx(expected, abs=0.001)
