"""The whole chain on the built-in joint network: exporter, runtime, JointTrackNet's association, built-in scene."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge.demo
from edge.chain.pipeline import Pipeline
from edge.cli import main as nanotrack
from edge.commands.demo import JOINT_PACK
from edge.demo.scene import Options, Scene
from edge.detect.joint import JointDetector
from edge.detect.open import open_detector
from edge.motchallenge import read_tracks
from export.cli import main as nanotrack_export
from export.train.score_joint import joint

WEIGHTS = Path(edge.demo.__file__).with_name("weights") / "joint.pth"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder with the built-in joint network as a pack, as `make demo` leaves it."""
    folder = tmp_path_factory.mktemp("demo")
    assert nanotrack_export(["pack", "--detector", str(WEIGHTS), "-o", str(folder / JOINT_PACK)]) == 0
    return folder


def test_the_pack_is_whole_and_verified(out: Path) -> None:
    assert nanotrack_export(["verify", str(out / JOINT_PACK)]) == 0
    assert isinstance(open_detector(out / JOINT_PACK), JointDetector)


def test_people_of_streets_never_trained_on_are_found_told_apart_and_followed_back() -> None:
    scores = joint(WEIGHTS, [901])
    assert scores.ap50 > 0.85
    assert scores.rank_one > 0.5
    assert scores.offset_px < 6  # a cell is 8 pixels


def test_offsets_tell_which_way_people_walk(out: Path) -> None:
    """Against the same picture twice, in which nobody moves: the difference is the way of a tenth of a second."""
    find = open_detector(out / JOINT_PACK, floor=0.4)
    stage = Options(seed=907).stage()
    told, true = [], []
    for time_s in (0, 3, 6, 9):
        stage.advance(time_s)
        before, earlier = stage.shoot(1 / 30)
        stage.advance(time_s + 0.1)
        image, now = stage.shoot(1 / 30)
        find(before)
        walking, standing = find(image), find(image)
        assert walking.centres is not None
        assert walking.offsets is not None
        assert standing.centres is not None
        assert standing.offsets is not None
        was = dict(zip(earlier.ids.tolist(), _middles(earlier.boxes_xyxy), strict=True))
        clear = now.visibility > 0.6
        for person, middle in zip(now.ids[clear].tolist(), _middles(now.boxes_xyxy[clear]), strict=True):
            i, j = (int(np.argmin(np.linalg.norm(x.centres - middle, axis=1))) for x in (walking, standing))
            if np.linalg.norm(walking.centres[i] - middle) < 10 and (walking.centres[i] == standing.centres[j]).all():
                told.append(walking.offsets[i, 0] - standing.offsets[j, 0])
                true.append(was[person][0] - middle[0])
    back, walk = np.array(told), np.array(true)
    walked = np.abs(walk) > 3
    assert walked.sum() >= 6
    assert np.mean(np.sign(back[walked]) == np.sign(walk[walked])) > 0.8
    assert np.abs(back[walked]).mean() > 3 * np.abs(back[np.abs(walk) < 1]).mean()


def _middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def test_the_demo_tracks_with_the_joint_network(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackeval")
    scene = "demo://?people=12&seed=904&frames=30"
    assert nanotrack(["demo", "--tracking-method", "jointtrack", "--out", str(out), "--scene", scene]) == 0
    assert "HOTA" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["scores"]["HOTA"] > 40
    assert report["scores"]["IDF1"] > 50
    assert {"infer", "track", "decode"} <= set(report["latency_ms"])
    assert len(read_tracks(out / "tracks.txt", 30)) > 100


def test_a_folder_a_video_and_frames_at_hand_give_the_same_tracks(out: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame, _ in Scene(Options(people=8, seed=907, frames=8, size=(640, 360)))]
    (tmp_path / "frames").mkdir()
    video = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 30, (640, 360))
    for number, image in enumerate(frames):
        cv2.imwrite(str(tmp_path / "frames" / f"{number:03}.png"), image)
        video.write(image)
    video.release()
    rows = {}
    for path in ("frames", "v.avi"):
        command = ["track", "--path", str(tmp_path / path), "--model", str(out / JOINT_PACK), "--mot"]
        assert nanotrack([*command, str(tmp_path / f"{path}.txt"), "--tracking-method", "jointtrack"]) == 0
        rows[path] = (tmp_path / f"{path}.txt").read_text()
    assert len(rows["frames"].splitlines()) > 15
    assert rows["frames"] == rows["v.avi"]
    pipeline = Pipeline(out / JOINT_PACK, method="jointtrack", frame_rate=30)
    shown = [len(pipeline(frame)) for frame, _ in Scene(Options(people=8, seed=907, frames=8, size=(640, 360)))]
    assert sum(shown) == len(rows["frames"].splitlines())


def test_without_its_pack_the_demo_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nanotrack(["demo", "--tracking-method", "jointtrack", "--out", str(tmp_path)]) == 64
    assert f"expected a model pack at {tmp_path / JOINT_PACK}, found none; run make demo" in capsys.readouterr().err
