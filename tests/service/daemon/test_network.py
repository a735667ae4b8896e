"""A network that fails: on some frames, on all of them, for good."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.detect.detector import Detector
from edge.errors import DataError, UnavailableError
from edge.service.daemon import BROKEN_IN_A_ROW, Daemon
from edge.settings import config
from edge.types import Detections, Image
from tests.service.daemon.setups import SCENE, camera, cycle_until, lines, of, write_config


class BrokenDetector:
    """The detector, except that calls in `failing` raise as a network that puts out NaN does."""

    def __init__(self, detector: Detector, failing: Callable[[int], bool]) -> None:
        self._detector, self._failing, self._calls = detector, failing, itertools.count()

    def __call__(self, image: Image) -> Detections:
        if self._failing(next(self._calls)):
            raise DataError("tiny.onnx: the network put out NaN")
        return self._detector(image)


def broken(daemon: Daemon, failing: Callable[[int], bool]) -> None:
    for stream in daemon.streams:
        detect = stream.chain._detect
        detect._detector = BrokenDetector(detect._detector, failing)  # type: ignore[attr-defined]


def test_bad_frames_are_counted_and_skipped(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("a", tiny_video))))
    broken(daemon, lambda call: call % 3 == 2)
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    assert daemon.broken == 10
    assert len(of(lines(tmp_path), "a", "frame")) == 20


def test_a_network_that_stays_broken_is_fatal(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True, frame_rate=500))))
    broken(daemon, lambda call: True)
    with pytest.raises(UnavailableError, match="NaN; so it was 30 frames in a row"):  # for which systemd starts it anew
        cycle_until(daemon, lambda: False)
    daemon.close()
    assert daemon.broken == BROKEN_IN_A_ROW


def test_a_network_that_fails_for_good_ends_the_daemon_for_a_restart(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.cli import main

    def fail(self: Daemon, stream: object) -> bool:
        raise UnavailableError("no rung is left")

    monkeypatch.setattr(Daemon, "_step", fail)
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    assert main(["serve", "--config", str(path)]) == 69
    assert [line["state"] for line in lines(tmp_path)] == ["stopped"]
