"""A joint network in the daemon: cameras take turns at it, and each is compared with its own frame before."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.cli import main
from edge.detect.open import open_detector
from edge.errors import UsageError
from edge.events import Origin
from edge.service.build import tracker
from edge.service.clock import Clock
from edge.service.daemon import Daemon
from edge.service.stream import Stream
from edge.settings import config
from edge.types import Frame
from edge.video.capture import Capture
from export.cli import main as export
from tests import joint_net
from tests.service.daemon.setups import camera, cycle_until, lines, of, write_config
from tests.video.fakes import FakeCamera, FakeClock

JOINT = '[tracking]\nmethod = "jointtrack"\n'


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of a network that looks at the frame before and at the tracks in it."""
    folder = tmp_path_factory.mktemp("joint")
    network = joint_net.write(folder / "joint.onnx", tracks=True)
    assert (
        export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(folder / "j.pack")]) == 0
    )
    return folder / "j.pack"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two blocks of other colours that walk on other ways in each."""
    folder, paths = tmp_path_factory.mktemp("videos"), []
    for number, (colours, step) in enumerate([((255, 230), 3), ((240, 210), -2)]):
        path = folder / f"{number}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (192, 108))
        for frame in range(20):
            image = np.zeros((108, 192, 3), np.uint8)
            for row, grey in zip((22, 70), colours, strict=True):
                x = 96 + step * (frame - 10)
                image[row : row + 16, x : x + 16] = grey
            writer.write(image)
        writer.release()
        paths.append(path)
    return paths


def seen(folder: Path, pack: Path, *videos: Path, more: str = JOINT) -> dict[str, list[object]]:
    """What the daemon tells of the tracks in each frame, by the name of the video."""
    folder.mkdir()
    cameras = [camera(f"of-{video.stem}", video) for video in videos]
    daemon = Daemon(config.load(write_config(folder, pack, *cameras, more=more)))
    cycle_until(daemon, lambda: daemon.is_finished)
    assert daemon.embedder is None  # the network gives embeddings itself
    daemon.close()
    return {video.stem: [line["tracks"] for line in of(lines(folder), f"of-{video.stem}", "frame")] for video in videos}


@pytest.mark.parametrize("more", [JOINT, '[tracking]\nmethod = "nanotrack"\nappearance = "ema"\n'])
def test_cameras_that_share_a_joint_network_are_tracked_as_each_alone(
    pack: Path, videos: list[Path], tmp_path: Path, more: str
) -> None:
    together = seen(tmp_path / "both", pack, *videos, more=more)
    for video in videos:
        alone = seen(tmp_path / video.stem, pack, video, more=more)
        assert together[video.stem] == alone[video.stem]
        assert len(alone[video.stem]) == 20
        assert all(len(tracks) >= 2 for tracks in alone[video.stem][2:])  # type: ignore[arg-type]


def test_it_detects_in_every_frame_or_says_why_not(
    pack: Path, videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, pack, camera("a", videos[0], detect_every=2), more=JOINT)
    with pytest.raises(UsageError, match="detect on every one"):
        Daemon(config.load(path))
    assert main(["check", "--config", str(path)]) == 78
    assert "tracking: a joint network compares each frame with the one before" in capsys.readouterr().err


@pytest.mark.parametrize("away_s", [0.5, 6.0])
def test_after_an_outage_a_frame_is_not_compared_with_the_one_before_it(
    pack: Path, tmp_path: Path, away_s: float
) -> None:
    settings = config.load(write_config(tmp_path, pack, camera("door", "rtsp://x"), more=JOINT))
    mono = FakeClock()
    capture = Capture(
        settings.camera[0],
        threading.Event(),
        clock=mono,
        connect=FakeCamera([], mono).connect,  # never started
    )
    detector = open_detector(pack)
    origin = Origin("r", "door", ["person"])
    chain = Chain(Detecting(detector), tracker(settings, 25.0))
    stream = Stream(capture, chain, origin, lambda event: None, Clock(mono, lambda: 0.0))
    here, there = np.zeros((2, 108, 192, 3), np.uint8)
    here[22:38, 96:112], there[22:38, 120:136] = 255, 240
    capture.slot.put(Frame(here, 1, mono()))
    assert stream.step()
    mono.now_s += away_s
    stream.watch()
    assert stream.state == ("offline" if away_s > settings.camera[0].stall_s else "online")
    found, alone = detector(there).offsets, detector.for_stream()(there).offsets
    assert found is not None
    assert alone is not None
    afresh = np.array_equal(found, alone)
    assert afresh == (stream.state == "offline")


def test_heat_does_not_change_its_pace(pack: Path, videos: list[Path], tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, pack, camera("a", videos[0]), more=JOINT)))
    daemon.streams[0].change_interval(2, "hot")
    assert daemon.streams[0].detect_every == 1
    daemon.close()
