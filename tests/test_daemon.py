"""The daemon: several cameras and one network, in this process with fakes, and as a process of its own."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge.daemon
from edge import config
from edge.daemon import BROKEN_IN_A_ROW, Daemon
from edge.detect.detector import Detector
from edge.errors import DataError, NanoTrackError, UnavailableError
from edge.pipeline import Pipeline
from edge.service.examine import tracker
from edge.service.stream import Clock, Stream
from edge.sinks.events import Ended, Event, Observed, Origin
from edge.types import Detections, Frame, Image
from edge.video.capture import Capture
from edge.video.source import open_source
from tests.sinks.test_jsonl import lines_of
from tests.video.fakes import FakeCamera, FakeClock, picture

COMMAND = [sys.executable, "-m", "edge.cli", "serve", "--config"]
SCENE = "demo://?people=2&size=128x96&fps=20"


def write_config(folder: Path, pack: Path, *cameras: dict[str, object], more: str = "") -> Path:
    """A configuration with these cameras and JSON lines in `folder`; its path."""
    blocks = [
        "[[camera]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in camera.items())
        for camera in cameras
    ]
    path = folder / "nanotrack.toml"
    head = f'[model]\npack = "{pack}"\nthreads = 1\n'
    path.write_text("\n".join([head, *blocks, f'[jsonl]\nfolder = "{folder}"\nfree_mib = 0\n', more]))
    return path


def camera(name: str, source: object, **more: object) -> dict[str, object]:
    return {"name": name, "source": str(source), **more}


def lines(folder: Path) -> list[dict[str, Any]]:
    return lines_of(folder / "tracks.jsonl")


def of(lines: list[dict[str, Any]], name: str, kind: str) -> list[dict[str, Any]]:
    """The lines of one camera: `kind` is "frame" or an event's name."""
    return [line for line in lines if line["camera"] == name and line.get("event", "frame") == kind]


def cycle_until(daemon: Daemon, done: Callable[[], bool], timeout_s: float = 30) -> None:
    limit_s = time.monotonic() + timeout_s
    while not done():
        daemon.cycle()
        assert time.monotonic() < limit_s, "it did not happen in time"


def alone_on(pack: Path, video: Path) -> list[list[int]]:
    """The ids in every frame, as a pipeline finds them that has nothing else to do."""
    source = open_source(str(video))
    width, height = source.size
    pipeline, ids = Pipeline(pack, frame_rate=source.frame_rate), []
    while (frame := source.read(np.empty((height, width, 3), np.uint8))) is not None:
        ids.append(pipeline(frame).ids.tolist())
    return ids


# In this process


def test_cameras_share_one_network_and_nothing_else(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = edge.daemon.open_detector
    monkeypatch.setattr(edge.daemon, "open_detector", lambda *a, **k: opened.append(real(*a, **k)) or opened[-1])
    cameras = [camera("a", tiny_video), camera("b", tiny_video), camera("live", SCENE)]
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, *cameras)))
    cycle_until(daemon, lambda: daemon.streams[0].is_finished and daemon.streams[1].is_finished)
    daemon.close()
    assert len(opened) == 1
    alone = alone_on(tiny_pack, tiny_video)
    found = lines(tmp_path)
    for name in ("a", "b"):  # a recording loses no frame, and each camera has its own ids from 1
        assert [line["frame"] for line in of(found, name, "frame")] == list(range(1, 31))
        shown = [[track["id"] for track in line["tracks"]] for line in of(found, name, "frame")]
        assert shown == alone
        assert sorted(e["id"] for e in of(found, name, "end")) == sorted({id_ for ids in alone for id_ in ids})
    assert len({line["run"] for line in found}) == 3
    assert all("t_utc" in line for line in found if line["camera"] == "live")


def test_zones_are_watched_and_left_before_the_end(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    everywhere = '[[camera.zone]]\nname = "all"\npoints = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video))
    path.write_text(path.read_text().replace("[jsonl]", everywhere + "[jsonl]"))
    daemon = Daemon(config.load(path))
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    events = [(line["id"], line.get("action", line["event"])) for line in lines(tmp_path) if "id" in line]
    entered = {id_ for id_, action in events if action == "enter"}
    assert entered
    for id_ in entered:
        assert [action for other, action in events if other == id_] == ["enter", "leave", "end"]
    assert of(lines(tmp_path), "a", "zone")[-1]["count"] == 0


def test_turns_are_fair(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    cameras = [camera(name, tiny_video) for name in ("a", "b", "c")]
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, *cameras)))
    for _ in range(20):
        daemon.cycle()
        counts = [stream.tracked for stream in daemon.streams]
        for stream in daemon.streams:  # whoever is behind had nothing to offer
            assert stream.tracked <= min(counts) + 30
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    order = [line["camera"] for line in lines(tmp_path) if "frame" in line]
    for name in ("a", "b", "c"):
        positions = [i for i, other in enumerate(order) if other == name]
        assert max(np.diff(positions)) <= 12


class BrokenDetector:
    """The detector, except that calls in `failing` raise as a network that puts out NaN does."""

    def __init__(self, detector: Detector, failing: Callable[[int], bool]):
        self.description = detector.description
        self._detector, self._failing, self._calls = detector, failing, itertools.count()

    def __call__(self, image: Image) -> Detections:
        if self._failing(next(self._calls)):
            raise DataError("tiny.onnx: the network put out NaN")
        return self._detector(image)


def broken(daemon: Daemon, failing: Callable[[int], bool]) -> None:
    daemon.detector = BrokenDetector(daemon.detector, failing)  # type: ignore[assignment]


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
    with pytest.raises(DataError, match="NaN"):
        cycle_until(daemon, lambda: False)
    daemon.close()
    assert daemon.broken == BROKEN_IN_A_ROW


def test_identities_survive_a_short_outage_and_end_after_a_long_one(tiny_pack: Path, tmp_path: Path) -> None:
    """A camera that is away for .4 s keeps its ids; one that is away for 3 s finds them ended."""
    settings = config.load(write_config(tmp_path, tiny_pack, camera("door", "rtsp://x")))
    mono, events = FakeClock(), list[Event]()
    capture = Capture(
        settings.camera[0],
        threading.Event(),
        clock=mono,
        connect=FakeCamera([], mono).connect,  # never started
    )
    stream = Stream(
        capture, tracker(settings, 25.0), Origin("r", "door", ["person"]), events.append, Clock(mono, lambda: 0.0)
    )
    detector = edge.daemon.open_detector(tiny_pack)

    def show(frames: range) -> set[int]:
        ids: set[int] = set()
        for number in frames:
            mono.now_s += 0.04
            capture.good_s = mono()
            capture.slot.put(Frame(picture(), number, mono()))
            assert stream.step(detector)
            stream.watch()
            assert isinstance(events[-1], Observed)
            ids |= set(events[-1].tracks.ids.tolist())
        return ids

    show(range(1, 10))
    known = show(range(10, 20))
    for _ in range(4):
        mono.now_s += 0.1
        stream.watch()
    before = len(events)
    assert show(range(20, 30)) == known
    assert not any(isinstance(event, Ended) for event in events[before:])
    for _ in range(60):
        mono.now_s += 0.1
        stream.watch()
    shown = {id_ for event in events if isinstance(event, Observed) for id_ in event.tracks.ids.tolist()}
    assert {event.id for event in events if isinstance(event, Ended)} == shown
    assert [getattr(event, "state", None) for event in events][-1] == "offline"
    assert min(show(range(30, 34))) > max(known)
    assert stream.state == "online"


def test_a_clock_that_is_set_changes_labels_only(tiny_pack: Path, tmp_path: Path) -> None:
    wall_s = [1_790_000_000.0]
    clock = Clock(utc=lambda: wall_s[0] + time.monotonic())
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("live", SCENE))), clock)
    cycle_until(daemon, lambda: daemon.streams[0].tracked >= 5)
    wall_s[0] = 0.0  # 1970
    cycle_until(daemon, lambda: daemon.streams[0].tracked >= 10)
    daemon.close()
    assert daemon.clock_steps == 1
    found = lines(tmp_path)
    (step,) = of(found, "live", "clock_step")
    assert step["seconds"] == pytest.approx(-1_790_000_000, abs=1)
    assert {line["t_utc"][:4] for line in of(found, "live", "frame")} == {"2026", "1970"}
    times = [line["t_mono_ns"] for line in of(found, "live", "frame")]
    assert times == sorted(times)
    assert len({line["run"] for line in found}) == 1


def test_reload_keeps_what_did_not_change(tiny_pack: Path, tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("a", SCENE), camera("b", SCENE))))
    a, b = daemon.streams
    cycle_until(daemon, lambda: a.tracked > 2 and b.tracked > 2)
    daemon.reload(config.load(write_config(tmp_path, tiny_pack, camera("c", SCENE), camera("a", SCENE))))
    assert [stream.origin.camera for stream in daemon.streams] == ["c", "a"]
    assert daemon.streams[1] is a
    before = a.tracked
    cycle_until(daemon, lambda: a.tracked > before and daemon.streams[0].tracked > 2)
    assert b.state == "stopped"
    daemon.close()
    found = lines(tmp_path)
    assert len({line["run"] for line in found if line["camera"] == "a"}) == 1
    assert of(found, "b", "camera")[-1]["state"] == "stopped"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("[model]", '[tracking]\nmethod = "none"\n[model]'),
        lambda text: text.replace(".pack", ".none"),
        lambda text: text.replace("demo://", "/none/"),
        lambda text: text.replace('folder = "', 'folder = "/none'),
    ],
)
def test_a_reload_that_fails_changes_nothing(tiny_pack: Path, tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    daemon = Daemon(config.load(path))
    stream, outputs = daemon.streams[0], daemon.outputs
    path.write_text(change(path.read_text()))
    with pytest.raises(NanoTrackError):
        daemon.reload(config.load(path))
    assert (daemon.streams, daemon.outputs) == ([stream], outputs)
    before = stream.tracked
    cycle_until(daemon, lambda: stream.tracked > before + 2)
    daemon.close()


# As a process


class Served:
    """A daemon in a process of its own, with a service manager that listens."""

    def __init__(self, path: Path, socket_: socket.socket, **environment: str):
        self.manager = socket_
        self.process = subprocess.Popen(
            [*COMMAND, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": socket_.getsockname(), "WATCHDOG_USEC": "4000000", **environment},
        )

    def hear(self, wanted: str, timeout_s: float = 120) -> str:
        """Wait for a message to the service manager that contains `wanted`."""
        limit_s = time.monotonic() + timeout_s
        while time.monotonic() < limit_s:
            with contextlib.suppress(TimeoutError):
                message = self.manager.recv(4096).decode()
                if wanted in message:
                    return message
            assert self.process.poll() is None, self.process.communicate()[0]
        raise AssertionError(f"no {wanted}")

    def stop(self, signal_: int = signal.SIGTERM) -> tuple[int, float, str]:
        """Exit code, seconds until the end, and all that was logged."""
        started_s = time.monotonic()
        self.process.send_signal(signal_)
        output = self.process.communicate(timeout=30)[0]
        return self.process.returncode, time.monotonic() - started_s, output


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1)

        def start(path: Path, **environment: str) -> Served:
            running.append(Served(path, manager, **environment))
            return running[-1]

        yield start
    for served in running:
        if served.process.poll() is None:
            served.process.kill()
            served.process.communicate()


def wait_for(done: Callable[[], bool], timeout_s: float = 30) -> None:
    limit_s = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < limit_s, "it did not happen in time"
        time.sleep(0.05)


def seen(folder: Path) -> bool:
    path = folder / "tracks.jsonl"
    return path.exists() and path.read_text().count('"frame"') > 10


def test_a_hanging_camera_stops_nobody_and_no_password_is_shown(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"
        (tmp_path / "camera").write_text("me:secret")
        cameras = [
            camera("hangs", address, credentials="camera", stall_s=60.0),
            camera("refuses", "rtsp://you:hidden@127.0.0.1:1/x", stall_s=0.5),
            camera("live", SCENE),
        ]
        path = write_config(tmp_path, tiny_pack, *cameras)
        served = serve(path, CREDENTIALS_DIRECTORY=str(tmp_path))
        served.hear("READY=1")
        served.hear("WATCHDOG=1")
        wait_for(lambda: seen(tmp_path) and '"offline"' in (tmp_path / "tracks.jsonl").read_text())
        code, took_s, output = served.stop()
    assert code == 0, output
    assert took_s < 10
    assert "secret" not in output
    assert "hidden" not in output + (tmp_path / "tracks.jsonl").read_text()
    assert "WARNING camera refuses: offline: " in output
    found = lines(tmp_path)
    started = {(line["run"], track["id"]) for line in of(found, "live", "frame") for track in line["tracks"]}
    assert {(line["run"], line["id"]) for line in of(found, "live", "end")} == started
    assert {line["camera"]: line["state"] for line in found if line.get("event") == "camera"} == dict.fromkeys(
        ("hangs", "refuses", "live"), "stopped"
    )


def test_sighup_reloads_and_a_bad_file_keeps_the_old_settings(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True))
    served = serve(path)
    served.hear("READY=1")
    wait_for(lambda: seen(tmp_path))
    path.write_text(path.read_text() + "[mistake]\n")
    served.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True), camera("b", SCENE))
    served.process.send_signal(signal.SIGHUP)
    served.hear("RELOADING=1")
    wait_for(lambda: len(of(lines(tmp_path), "b", "frame")) > 2)
    code, _, output = served.stop(signal.SIGINT)
    assert code == 0, output
    assert "mistake: unknown key" in output
    assert len({line["run"] for line in of(lines(tmp_path), "a", "frame")}) == 1


def test_killed_it_loses_nothing_that_is_a_second_old_and_its_ids_never_come_again(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    runs = []
    for _ in range(2):
        served = serve(path)
        served.hear("READY=1")
        before = len((tmp_path / "tracks.jsonl").read_text())
        wait_for(lambda before=before: (tmp_path / "tracks.jsonl").read_text()[before:].count('"frame"') > 20)
        killed_ns = time.monotonic_ns()
        served.process.kill()
        served.process.communicate()
        found = lines(tmp_path)
        assert killed_ns - found[-1]["t_mono_ns"] < 1e9
        runs.append(found[-1]["run"])
    assert runs[0] != runs[1]


def test_recordings_that_end_are_the_end(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    served = serve(write_config(tmp_path, tiny_pack, camera("a", tiny_video)))
    output = served.process.communicate(timeout=120)[0]
    assert served.process.returncode == 0, output
    assert [line["frame"] for line in of(lines(tmp_path), "a", "frame")] == list(range(1, 31))


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda text: text + "[mistake]", 78, "mistake: unknown key"),
        (lambda text: text.replace("demo://", "/none/"), 66, "/none/"),
        (lambda text: text.replace(".pack", ".none"), 66, "expected a model pack"),
        (lambda text: text.replace("[model]", '[model]\nrequire = "tensorrt"'), 69, "tensorrt"),
        (lambda text: text.replace('folder = "', 'folder = "/none'), 73, "No such file"),
    ],
)
def test_what_cannot_start_says_why_with_its_exit_code(
    tiny_pack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[str], str],
    code: int,
    says: str,
) -> None:
    from edge.cli import main

    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    path.write_text(change(path.read_text()))
    assert main(["serve", "--config", str(path)]) == code
    assert says in capsys.readouterr().err


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
