"""Settings are run as they say, and the scores are those of the reference implementations."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.detect.open import open_detector
from edge.errors import DataError, UsageError
from edge.motchallenge import format_rows, read_detections, read_tracks
from edge.track.tracker import Tracker
from edge.val.dataset import Sequence, find_sequences
from edge.val.run import Job, Model, Setting, detect, evaluate
from edge.val.score import COMBINED
from tests import tiny
from tests.toy import write_sequence

pytest.importorskip("trackeval")


def jobs(out: Path, sequences: list[Sequence], **settings: Setting) -> list[Job]:
    return [
        Job(label, s, "MOT17", out / label / f"{s.name}.txt", setting)
        for label, setting in settings.items()
        for s in sequences
    ]


def test_a_setting_is_read_from_its_text() -> None:
    assert Setting.parse("bytetrack") == Setting("bytetrack")
    assert Setting.parse("bytetrack", "reference") == Setting("bytetrack", "reference")
    expected = Setting("nanotrack", "reference", {"track_thresh": 0.3, "depth_levels": 2})
    assert Setting.parse("nanotrack:reference:track_thresh=.3:depth_levels=2") == expected
    with pytest.raises(UsageError, match="expected a number as track_thresh, found 'high'"):
        Setting.parse("nanotrack:track_thresh=high")


@pytest.mark.parametrize("workers", [1, 2])
def test_perfect_detections_give_perfect_scores_everywhere(tmp_path: Path, workers: int) -> None:
    for name in ("A", "B"):
        write_sequence(tmp_path / name)
    sequences = find_sequences(tmp_path, "MOT17")
    done: dict[int, int] = {}
    work = jobs(tmp_path / "out", sequences, nano=Setting("nanotrack"), byte=Setting("bytetrack", "reference"))
    scores = evaluate(work, workers, done.__setitem__)
    assert list(scores) == ["nano", "byte"]
    for by_sequence in scores.values():
        assert list(by_sequence) == ["A", "B", COMBINED]
        assert all(s["HOTA"] == s["MOTA"] == s["IDF1"] == 100 for s in by_sequence.values())
    assert done == dict.fromkeys(range(4), 30)
    assert len(read_tracks(tmp_path / "out/nano/A.txt", 30)) == 60


def test_a_later_detection_than_the_sequence_is_long_stops_it(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_sequence(tmp_path / name)
    (tmp_path / "B/det/det.txt").write_text("31,-1,1,1,5,5,1\n")
    with pytest.raises(DataError, match=r"B/det/det\.txt, line 1: expected a frame from 1 to 30, found 31"):
        evaluate(jobs(tmp_path / "out", find_sequences(tmp_path, "MOT17"), nano=Setting("nanotrack")), 2)


def test_without_detections_the_error_says_what_to_add(tmp_path: Path) -> None:
    write_sequence(tmp_path / "A", detections=False)
    with pytest.raises(UsageError, match="--detections DIR or --model PACK"):
        evaluate(jobs(tmp_path / "out", find_sequences(tmp_path, "MOT17"), nano=Setting("nanotrack")), 1)


def test_flat_and_tiny_boxes_can_be_left_out(tmp_path: Path) -> None:
    write_sequence(tmp_path / "A")
    boxes = {"upright": "100,100,50,120", "flat": "400,100,161,100", "tiny": "700,100,10,10"}
    text = "".join(f"{f},-1,{box},0.9\n" for f in range(1, 31) for box in boxes.values())
    (tmp_path / "A/det/det.txt").write_text(text)
    work = jobs(
        tmp_path / "out",
        find_sequences(tmp_path, "MOT17"),
        all=Setting("bytetrack"),
        upright=Setting("bytetrack", output_filter=True),
    )
    evaluate(work, 1)
    assert len(read_tracks(tmp_path / "out/all/A.txt")) == 90
    kept = read_tracks(tmp_path / "out/upright/A.txt")
    assert len(kept) == 30
    assert kept.boxes_ltwh[:, 0] == pytest.approx(100, abs=0.1)


def test_a_model_sees_the_images_and_trackers_see_its_detections(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "A", detections=False)
    for path in tiny.write_images(folder / "img1").iterdir():
        path.rename(path.with_name(path.name.removeprefix("frame").zfill(10)))
    with (folder / "seqinfo.ini").open("a") as seqinfo:
        seqinfo.write("imExt=.png\n")
    model = Model(tiny.write_pack(tmp_path / "tiny.pack"))
    (sequence,) = detect(find_sequences(tmp_path, "MOT17"), model, tmp_path / "detections", 1)
    assert sequence.frames.tolist() == list(range(1, 13))  # 12 of 30 frames have an image
    assert sequence.detections == tmp_path / "detections/A.txt"
    detector = open_detector(model.path)
    for number, found in enumerate(read_detections(sequence.detections, 12), 1):
        expected = detector(tiny.picture(number))
        assert len(expected) > 0
        np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=0.011)
        np.testing.assert_allclose(found.scores, expected.scores, atol=0.0001)
    evaluate(jobs(tmp_path / "out", [sequence], nano=Setting("nanotrack")), 1)
    assert set(read_tracks(tmp_path / "out/nano/A.txt").frames.tolist()) == set(range(1, 13))


def test_a_thinned_sequence_is_run_at_its_own_rate_and_scored_on_its_own_frames(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "A", truth=walking(30, "1,1,1"))
    (folder / "det/det.txt").write_text(walking(30, "0.9,-1,-1,-1"))
    (sequence,) = (s.thinned(5) for s in find_sequences(tmp_path, "MOT17"))
    scores = evaluate(jobs(tmp_path / "out", [sequence], nano=Setting("nanotrack")), 1)["nano"]["A"]
    assert (scores["MOTA"], scores["IDF1"], scores["FN"]) == (100, 100, 0)
    tracker, detections = Tracker("nanotrack", 6.0), read_detections(folder / "det/det.txt")
    expected = [format_rows(n, tracker.update(detections[n - 1], (n - 1) / 30)) for n in (1, 6, 11, 16, 21, 26)]
    assert (tmp_path / "out/nano/A.txt").read_text() == "".join(expected)


def walking(frames: int, rest: str) -> str:
    """Somebody who goes half a width in five frames."""
    return "".join(f"{frame},1,{100 + 10 * frame},100,100,200,{rest}\n" for frame in range(1, frames + 1))


def half_val(data: Path, name: str) -> Sequence:
    (sequence,) = find_sequences(data / "mot17/gt", "MOT17", "val-half", data / "mot17/det_yolox_x_ablation", name)
    return sequence


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("nanotrack_shipped", Setting("nanotrack", "reference")),
        ("bytetrack_0.6_0.9", Setting("bytetrack", "reference", output_filter=True)),
        ("sparsetrack_mot17ab", Setting("sparsetrack", "reference", output_filter=True)),
    ],
)
def test_reference_presets_score_as_the_reference_implementations(
    data: Path, reference: Path, tmp_path: Path, key: str, setting: Setting
) -> None:
    published = json.loads((reference / "table.json").read_text())["mot17_half"][key]["MOT17-09"]
    scores = evaluate(jobs(tmp_path, [half_val(data, "MOT17-09")], ours=setting), 1)["ours"]["MOT17-09"]
    assert scores == pytest.approx({metric: published[metric] for metric in scores}, abs=0.001)


@pytest.mark.slow
def test_knowing_the_time_pays_when_frames_are_dropped(data: Path, tmp_path: Path) -> None:
    aware = Setting("nanotrack")
    whole = find_sequences(data / "mot17/gt", "MOT17", "val-half", data / "mot17/det_yolox_x_ablation")
    sequences = [sequence.dropping(1 / 3, seed=0) for sequence in whole]
    scores = evaluate(jobs(tmp_path, sequences, aware=aware, counting=replace(aware, time_aware=False)), 2)
    gain = {name: scores["aware"][COMBINED][name] - scores["counting"][COMBINED][name] for name in ("HOTA", "IDF1")}
    assert gain["HOTA"] > 0.4  # differences up to .2 come from ties
    assert gain["IDF1"] > 0.4
    assert scores["aware"][COMBINED]["IDSW"] < 0.85 * scores["counting"][COMBINED]["IDSW"]
