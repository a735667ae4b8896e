"""The whole chain on what the product carries itself: built-in weights, exporter, runtime, built-in scene."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge.demo
from edge import modelpack
from edge.chain.pipeline import Pipeline
from edge.cli import main as nanotrack
from edge.demo.scene import Options, Scene
from edge.detect.open import open_detector
from edge.motchallenge import read_tracks
from export.cli import main as nanotrack_export
from export.train.score import average_precision, pictures

WEIGHTS = Path(edge.demo.__file__).with_name("weights")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in weights as a model pack, made as `make demo` makes it."""
    target = tmp_path_factory.mktemp("chain") / "builtin.pack"
    arguments = ["pack", "--detector", str(WEIGHTS / "detector.pth"), "--reid", str(WEIGHTS / "reid.pth")]
    assert nanotrack_export([*arguments, "-o", str(target)]) == 0
    return target


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 3_500_000


def test_the_pack_is_whole_and_verified(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    description = modelpack.read(pack)
    assert description.detector.classes == ("person",)
    assert description.reid is not None
    assert nanotrack_export(["verify", str(pack)]) == 0


def test_people_are_found_on_streets_never_trained_on(pack: Path) -> None:
    find = open_detector(pack, floor=0.05)
    assert average_precision(pictures(find, [901])) > 0.85


def test_an_empty_street_has_no_people(pack: Path) -> None:
    find = open_detector(pack)
    stage = Options(people=1, seed=902).stage()
    seen = [stage.shoot(1 / 30)]
    for time_s in range(1, 20):
        stage.advance(time_s)
        seen.append(stage.shoot(1 / 30))
    empty = [image for image, truth in seen if not len(truth.ids)]
    assert empty
    assert max((find(image).scores.max(initial=0) for image in empty[:3]), default=0) < 0.6


def test_identities_are_kept(pack: Path) -> None:
    pipeline = Pipeline(pack, frame_rate=30)
    pairs: dict[int, set[int]] = {}
    for frame, truth in Scene(Options(people=8, seed=903, frames=60)):
        tracks = pipeline(frame)
        if frame.number < 10 or not len(tracks):
            continue
        for box, person, seen in zip(truth.boxes_xyxy, truth.ids.tolist(), truth.visibility, strict=True):
            low = np.maximum(tracks.boxes_xyxy[:, :2], box[:2])
            high = np.minimum(tracks.boxes_xyxy[:, 2:], box[2:])
            inner = np.clip(high - low, 0, None).prod(1)
            iou = inner / (
                (tracks.boxes_xyxy[:, 2:] - tracks.boxes_xyxy[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - inner
            )
            if seen > 0.8 and iou.max() > 0.5:
                pairs.setdefault(person, set()).add(int(tracks.ids[iou.argmax()]))
    assert len(pairs) >= 4
    assert sum(len(ids) == 1 for ids in pairs.values()) >= 0.7 * len(pairs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [910, 911])
def test_people_who_wait_for_a_minute_are_shown_under_one_identity(pack: Path, seed: int) -> None:
    pipeline = Pipeline(pack, frame_rate=5)
    seen: dict[int, list[int]] = {}
    for frame, truth in Scene(Options(people=12, waiting=4, seed=seed, frames=300, fps=5.0)):
        tracks = pipeline(frame)
        for box, person, visible in zip(truth.boxes_xyxy, truth.ids.tolist(), truth.visibility, strict=True):
            if person <= 4 and visible > 0.8:
                middles = (tracks.boxes_xyxy[:, :2] + tracks.boxes_xyxy[:, 2:]) / 2
                off = np.abs(middles - (box[:2] + box[2:]) / 2) / (box[2:] - box[:2])
                on = np.flatnonzero((off < 0.25).all(1))
                seen.setdefault(person, []).append(int(tracks.ids[on[0]]) if len(on) else 0)
    assert sorted(seen) == [1, 2, 3, 4]
    for ids in seen.values():
        usual = max(set(ids), key=ids.count)
        assert usual > 0
        assert ids.count(usual) >= 0.98 * len(ids)


def test_the_demo_leaves_everything_behind(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackeval")
    scene = "demo://?people=12&seed=904&frames=40"
    assert nanotrack(["demo", "--model", str(pack), "--out", str(tmp_path), "--scene", scene]) == 0
    out = capsys.readouterr().out
    assert "HOTA" in out
    assert "tracks.mp4" in out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"] == 40
    assert report["scores"]["HOTA"] > 40
    assert {"infer", "track", "decode+nms"} <= set(report["latency_ms"])
    assert report["latency_ms"]["infer"]["p50"] > 0
    assert len(read_tracks(tmp_path / "tracks.txt", 40)) > 100
    assert len((tmp_path / "tracks.jsonl").read_text().splitlines()) >= 40
    assert "HOTA" in (tmp_path / "report.txt").read_text()
    video = cv2.VideoCapture(str(tmp_path / "tracks.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 40
    video.release()


@pytest.mark.slow
def test_both_precisions_follow_the_same_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibrated on streets of training and shown another, as `make demo` does it, on small pictures."""
    pytest.importorskip("trackeval")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # which of the two is faster is measured anew
    streets = [f"demo://?people=20&size=640x352&fps=1&frames=8&seed={seed}" for seed in (100_000, 100_001)]
    flags = ["--input-size", "320x192", "--boards", "cpu", "--limits", "ap50=0,ap=0,score_bias=1"]
    target = tmp_path / "both.pack"
    arguments = ["pack", "--detector", str(WEIGHTS / "detector.pth"), "--calibrate", *streets, *flags]
    assert nanotrack_export([*arguments, "-o", str(target)]) == 0
    scene = "demo://?people=10&seed=906&frames=30&size=640x352"
    assert nanotrack(["demo", "--model", str(target), "--out", str(tmp_path), "--scene", scene]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    (beside,) = report["beside"]
    rungs = [report["rung"], beside["rung"]]  # of OpenVINO where that is faster here
    assert sum(rung.endswith("-int8") for rung in rungs) == 1
    assert abs(report["scores"]["HOTA"] - beside["scores"]["HOTA"]) < 15
    assert beside["latency_ms"]["infer"]["p50"] > 0
    shown, other = (tmp_path / name for name in ("tracks.txt", "tracks.beside.txt"))
    assert len(read_tracks(other, 30)) > 50
    assert shown.read_bytes() != other.read_bytes()
    told = capsys.readouterr().out
    assert all(f"{rung} " in told for rung in rungs)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scene", "demo://?people=3"], "needs an end"),
        (["--scene", "demo://?peeple=3&frames=3"], "unknown option"),
        ([], "run make demo"),
    ],
)
def test_mistakes_are_wrong_usage(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nanotrack(["demo", "--out", str(tmp_path), *arguments]) == 64
    assert told in capsys.readouterr().err


def test_without_trackeval_the_demo_says_so_and_still_tracks(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "trackeval", None)
    scene = "demo://?people=3&seed=905&frames=4&size=320x180"
    assert nanotrack(["demo", "--model", str(pack), "--out", str(tmp_path), "--scene", scene]) == 0
    assert "TrackEval" in capsys.readouterr().err
    assert json.loads((tmp_path / "report.json").read_text())["scores"] is None
