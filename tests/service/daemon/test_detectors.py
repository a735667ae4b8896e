"""Several detectors side by side: how many there are, that tracks are the same, and what happens when one hangs."""

import os
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import edge.service.daemon
from edge.detect.detector import Detector
from edge.service import detectors
from edge.service.daemon import Daemon
from edge.service.detectors import count_and_threads
from edge.service.stream import Stream
from edge.settings import config
from edge.settings.config import Config
from edge.types import Detections, Image
from export.cli import main as export
from tests import joint_net
from tests.field import PATIENCE_S, wait_for
from tests.service.daemon.setups import SCENE, camera, cycle_until, lines, of, write_config
from tests.service.daemon.test_cameras import alone_on
from tests.service.daemon.test_network import BrokenDetector


def load(folder: Path, pack: Path, *cameras: dict[str, object], threads: int = 2) -> Config:
    """A configuration with so many threads for these cameras."""
    path = write_config(folder, pack, *cameras)
    path.write_text(path.read_text().replace("threads = 1", f"threads = {threads}"))
    return config.load(path)


@pytest.mark.parametrize(
    ("cores", "cameras", "threads", "expected"),
    [
        (1, 1, None, (1, 1)),
        (1, 4, None, (1, 1)),
        (2, 1, None, (1, 1)),
        (2, 4, None, (2, 1)),
        (4, 1, None, (1, 3)),
        (4, 2, None, (2, 2)),
        (4, 3, None, (3, 1)),
        (4, 9, None, (4, 1)),
        (4, 9, 1, (1, 1)),
        (4, 1, 4, (1, 4)),
        (2, 2, 8, (2, 4)),
    ],
)
def test_cameras_share_the_cores_by_whole_detectors(
    cores: int, cameras: int, threads: int | None, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert count_and_threads(cameras, threads) == expected


def test_tracks_are_those_of_one_detector(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    cameras = [camera(name, tiny_video) for name in ("a", "b", "c")]
    daemon = Daemon(load(tmp_path, tiny_pack, *cameras))
    assert len(daemon.detectors.all) == 2
    cycle_until(daemon, lambda: daemon.is_finished)
    ran = {name: span.count for name, span in daemon.spans}
    assert ran["infer"] + ran["infer 2"] == 90 + 2  # and once each to warm up
    assert ran["infer 2"] > 1
    daemon.publish()
    assert [network.network for network in daemon.snapshot.networks] == ["detector", "detector 2"]
    daemon.close()
    alone = alone_on(tiny_pack, tiny_video)
    for name in ("a", "b", "c"):
        frames = of(lines(tmp_path), name, "frame")
        assert [line["frame"] for line in frames] == list(range(1, 31))
        assert [[track["id"] for track in line["tracks"]] for line in frames] == alone


def test_frames_without_detections_are_predicted(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    cameras = [camera(name, tiny_video, detect_every=2) for name in ("a", "b")]
    daemon = Daemon(load(tmp_path, tiny_pack, *cameras))
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    assert [(stream.tracked, stream.detected) for stream in daemon.streams] == [(30, 15)] * 2


def test_a_joint_network_is_there_once(tiny_video: Path, tmp_path: Path) -> None:
    network, pack = joint_net.write(tmp_path / "joint.onnx"), tmp_path / "joint.pack"
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(pack)]) == 0
    daemon = Daemon(load(tmp_path, pack, camera("a", tiny_video), camera("b", tiny_video)))
    assert len(daemon.detectors.all) == 1
    before = daemon.detectors
    daemon.reload(load(tmp_path, pack, camera("a", tiny_video)))
    assert daemon.detectors is before
    daemon.close()


def test_bad_frames_are_counted_and_skipped(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    daemon = Daemon(load(tmp_path, tiny_pack, camera("a", tiny_video), camera("b", tiny_video)))
    failing = [BrokenDetector(each, lambda call: call % 3 == 2) for each in daemon.detectors.all]  # type: ignore[arg-type]
    daemon.detectors._free[:] = failing  # type: ignore[assignment]
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    frames = [line for line in lines(tmp_path) if "frame" in line]
    assert daemon.broken == 60 - len(frames)
    assert 18 <= daemon.broken <= 20


class HangingDetector:
    """A detector that computes until it is told to `go`."""

    def __init__(self, detector: Detector) -> None:
        self.go, self.asked = threading.Event(), threading.Event()
        self._detector = detector

    def __call__(self, image: Image) -> Detections:
        self.asked.set()
        assert self.go.wait(PATIENCE_S)
        return self._detector(image)


class Held(NamedTuple):
    """A daemon with two cameras, of which `waiting` waits for the detector `slow` and `other` goes on."""

    daemon: Daemon
    slow: HangingDetector
    waiting: Stream
    other: Stream


@pytest.fixture
def held(tiny_pack: Path, tmp_path: Path) -> Held:
    daemon = Daemon(load(tmp_path, tiny_pack, camera("a", SCENE), camera("b", SCENE)))
    first = daemon.detectors.first
    assert isinstance(first, Detector)
    slow = HangingDetector(first)
    daemon.detectors._free[0] = slow  # type: ignore[call-overload]
    cycle_until(daemon, slow.asked.is_set)
    before = [stream.tracked for stream in daemon.streams]
    cycle_until(daemon, lambda: any(s.tracked > n + 10 for s, n in zip(daemon.streams, before, strict=True)))
    waiting, other = sorted(daemon.streams, key=lambda s: s.tracked - before[daemon.streams.index(s)])
    return Held(daemon, slow, waiting, other)


def test_a_detector_that_is_slow_holds_up_one_frame_only(held: Held) -> None:
    before = held.waiting.tracked, held.other.tracked
    cycle_until(held.daemon, lambda: held.other.tracked > before[1] + 10)
    assert held.waiting.tracked == before[0]
    held.slow.go.set()
    cycle_until(held.daemon, lambda: held.waiting.tracked > before[0] + 5)
    held.daemon.close()


def test_a_detector_that_hangs_starves_the_watchdog(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon, fed = held.daemon, list[bool]()
    monkeypatch.setattr(detectors, "_LONGEST_S", 1000.0)
    monkeypatch.setattr(daemon._watchdog, "feed", lambda: fed.append(True))
    daemon.cycle()
    assert fed
    assert not daemon.hangs
    monkeypatch.setattr(detectors, "_LONGEST_S", 0.0)
    fed.clear()
    daemon.cycle()
    assert not fed
    assert daemon.hangs
    monkeypatch.setattr(detectors, "_LONGEST_S", 1000.0)
    held.slow.go.set()
    cycle_until(daemon, lambda: bool(fed))
    daemon.close()


def test_the_frame_at_hand_is_tracked_before_the_end(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held.waiting.tracked
    monkeypatch.setattr(edge.service.daemon, "_DETECT_STOP_S", PATIENCE_S)
    timer = threading.Timer(0.2, held.slow.go.set)
    timer.start()
    held.daemon.close()
    timer.join()
    assert held.waiting.tracked == before + 1
    assert of(lines(tmp_path), held.waiting.origin.camera, "camera")[-1]["state"] == "stopped"


def test_a_detector_that_still_computes_at_the_end_is_not_waited_for(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.service.daemon, "_DETECT_STOP_S", 0.1)
    held.daemon.close()
    assert held.daemon.hangs  # as Python itself waits for its thread, the process has to leave
    held.slow.go.set()
    wait_for(lambda: not held.daemon.hangs, "it came back")


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_a_reload_has_as_many_detectors_as_the_cameras_want(
    tiny_pack: Path, tmp_path: Path, names: tuple[str, ...]
) -> None:
    daemon = Daemon(load(tmp_path, tiny_pack, camera("a", SCENE), camera("b", SCENE), threads=3))
    a, before = daemon.streams[0], daemon.detectors
    cycle_until(daemon, lambda: a.tracked > 5)
    daemon.reload(load(tmp_path, tiny_pack, *(camera(name, SCENE) for name in names), threads=3))
    assert daemon.streams[0] is a
    assert [len(each.all) for each in (before, daemon.detectors)] == [2, len(names)]
    tracked = a.tracked
    cycle_until(daemon, lambda: a.tracked > tracked + 5)
    daemon.close()
    frames = of(lines(tmp_path), "a", "frame")
    assert len({line["run"] for line in frames}) == 1
    assert [line["frame"] for line in frames] == sorted({line["frame"] for line in frames})


def test_a_detector_is_free_again_after_an_error() -> None:
    ready = threading.Event()

    def fail(image: Image) -> Detections:
        raise ValueError("broken")

    pool = detectors.Detectors([fail, fail], ready)  # type: ignore[list-item]
    picture = np.zeros((4, 4, 3), np.uint8)
    for found in [pool.detect(picture), pool.detect(picture)]:
        with pytest.raises(ValueError, match="broken"):
            found.result(PATIENCE_S)
    assert ready.is_set()
    assert pool.has_room
    pool.detect(picture)
    pool.close()
