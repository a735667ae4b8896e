"""A new configuration for a daemon that runs."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import edge.service.daemon
import edge.service.outputs
from edge.errors import NanoTrackError
from edge.events import Event
from edge.service.daemon import Daemon
from edge.settings import config
from edge.sinks.rotating import RotatingLines
from tests.field import PATIENCE_S
from tests.service.daemon.setups import SCENE, HangingCamera, camera, cycle_until, lines, of, write_config


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


@pytest.mark.parametrize("has_history", [True, False])
def test_counts_go_on_though_no_history_has_the_last_of_them(
    tiny_pack: Path, tmp_path: Path, has_history: bool
) -> None:
    more = f'[history]\npath = "{tmp_path}/history.db"\n' if has_history else ""
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE), more=more)
    gate = '[[camera.line]]\nname = "gate"\npoints = [[0.5, 0], [0.5, 1]]\n[jsonl]'
    path.write_text(path.read_text().replace("[jsonl]", gate))
    daemon = Daemon(config.load(path))
    before = daemon.streams[0]
    before.areas.go_on_from({("gate", "in", "person"): 3, ("gate", "out", "person"): 1})
    assert sum(before.areas.crossings.values()) == 4  # none of them is in a database
    path.write_text(path.read_text().replace("points = [[0.5, 0]", "points = [[0.4, 0]"))
    daemon.reload(config.load(path))
    after = daemon.streams[0]
    assert after is not before
    assert after.areas.crossings == before.areas.crossings
    assert daemon.cameras[0].lines == before.areas.crossings
    daemon.close()


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
    stream, outputs = daemon.streams[0], daemon.outputs.open
    path.write_text(change(path.read_text()))
    with pytest.raises(NanoTrackError):
        daemon.reload(config.load(path))
    assert (daemon.streams, daemon.outputs.open) == ([stream], outputs)
    before = stream.tracked
    cycle_until(daemon, lambda: stream.tracked > before + 2)
    daemon.close()


def test_a_reload_waits_for_no_camera_that_hangs(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = HangingCamera()
    monkeypatch.setattr(edge.service.daemon, "Capture", hanging.instead_of("usb"))
    live = camera("live", SCENE)
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("usb", "/dev/video0"), live)))
    assert hanging.reads.wait(PATIENCE_S)
    cycle_until(daemon, lambda: daemon.streams[1].tracked > 2)
    renamed = config.load(write_config(tmp_path, tiny_pack, live, camera("new", SCENE)))
    began_s = time.monotonic()
    daemon.reload(renamed)
    assert time.monotonic() - began_s < PATIENCE_S / 2  # what hangs, hangs twice as long
    kept, new = daemon.streams
    before = kept.tracked
    cycle_until(daemon, lambda: kept.tracked > before + 2)
    assert new.capture.connects == 0  # its device may be the one that the old camera still holds
    hanging.leave.set()
    cycle_until(daemon, lambda: new.tracked > 2)
    daemon.close()
    assert not daemon.hangs


def test_a_reload_waits_for_no_output_that_hangs_and_nothing_is_lost(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = threading.Event(), threading.Event()

    class Slow(RotatingLines):
        """As a disk that stands still for a while."""

        def write(self, events: Sequence[Event]) -> None:
            asked.set()
            go.wait(PATIENCE_S)
            super().write(events)

    monkeypatch.setitem(edge.service.outputs.OUTPUTS, "jsonl", lambda settings, hooks: Slow(settings))
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    daemon = Daemon(config.load(path))
    stream = daemon.streams[0]
    cycle_until(daemon, lambda: asked.is_set() and stream.tracked > 5)
    path.write_text(path.read_text().replace("free_mib = 0", "free_mib = 0\nkeep = 3"))
    began_s = time.monotonic()
    daemon.reload(config.load(path))
    assert time.monotonic() - began_s < PATIENCE_S / 2  # what hangs, hangs twice as long
    before = stream.tracked
    cycle_until(daemon, lambda: stream.tracked > before + 5)
    go.set()
    daemon.close()
    frames = [line["frame"] for line in of(lines(tmp_path), "a", "frame")]
    assert len(frames) == stream.tracked
    assert frames == sorted(frames)


def test_a_port_that_is_taken_is_said_and_everything_is_closed(tiny_pack: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = f"[web]\nport = {taken.getsockname()[1]}\n"
        path = write_config(tmp_path, tiny_pack, camera("a", SCENE), more=web)
        with pytest.raises(NanoTrackError, match="in use"):
            Daemon(config.load(path))
