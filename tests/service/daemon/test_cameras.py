"""Several cameras and one network: what they share and what they do not, who comes when, how identities last."""

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge.service.build
import edge.service.daemon
from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.chain.pipeline import Pipeline
from edge.detect.open import open_detector
from edge.events import CameraChanged, Ended, Event, LineCrossed, Moment, Observed, Origin
from edge.motchallenge import read_tracks
from edge.service.build import tracker
from edge.service.clock import Clock
from edge.service.daemon import Daemon
from edge.service.stream import Stream
from edge.settings import config
from edge.sinks.history import query
from edge.sinks.history.database import open_to_read
from edge.sinks.history.output import History
from edge.types import Frame
from edge.video.capture import Capture
from edge.video.open import open_source
from tests.field import PATIENCE_S
from tests.service.daemon.setups import SCENE, HangingCamera, camera, cycle_until, lines, of, write_config
from tests.video.fakes import FakeCamera, FakeClock, picture


def alone_on(pack: Path, video: Path) -> list[list[int]]:
    """The ids in every frame, as a pipeline finds them that has nothing else to do."""
    source = open_source(str(video))
    width, height = source.size
    pipeline, ids = Pipeline(pack, frame_rate=source.frame_rate), []
    while (frame := source.read(np.empty((height, width, 3), np.uint8))) is not None:
        ids.append(pipeline(frame).ids.tolist())
    return ids


def test_cameras_share_one_network_and_nothing_else(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counted(*arguments: Any, **more: Any) -> Any:
        opened.append(open_detector(*arguments, **more))
        return opened[-1]

    monkeypatch.setattr(edge.service.build, "open_detector", counted)
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


def test_a_slow_camera_is_online_between_its_pictures(tiny_pack: Path, tmp_path: Path) -> None:
    gate = camera("gate", "http://x/snapshot.jpg", stall_s=5.0, every_s=2.5)
    settings = config.load(write_config(tmp_path, tiny_pack, gate))
    mono, events = FakeClock(), list[Event]()
    connect = FakeCamera([], mono).connect  # never started
    capture = Capture(settings.camera[0], threading.Event(), clock=mono, connect=connect)
    chain = Chain(Detecting(open_detector(tiny_pack)), tracker(settings, 0.4))
    stream = Stream(capture, chain, Origin("r", "gate", ["person"]), events.append, Clock(mono, lambda: 0.0))
    for number in range(1, 4):
        capture.good_s = mono()
        capture.slot.put(Frame(picture(), number, mono()))
        assert stream.step()
        for _ in range(29):  # every_s, and what the camera takes to answer
            mono.now_s += 0.1
            stream.watch()
    assert [event.state for event in events if isinstance(event, CameraChanged)] == ["online"]
    for _ in range(30):
        mono.now_s += 0.1
        stream.watch()
    states = [event.state for event in events if isinstance(event, CameraChanged)]
    assert states == ["online", "degraded", "offline"]


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


def test_rows_of_motchallenge_are_those_of_the_json_lines(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    more = f'[mot]\nfolder = "{tmp_path}"\nfree_mib = 0\n'
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("a", tiny_video), more=more)))
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    frames = of(lines(tmp_path), "a", "frame")
    rows = read_tracks(tmp_path / f"a-{frames[0]['run']}.txt")
    shown = [(line["frame"], track["id"]) for line in frames for track in line["tracks"]]
    assert list(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True)) == shown


def test_turns_are_fair(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    cameras = [camera(name, tiny_video) for name in ("a", "b", "c")]
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, *cameras)))
    before = [0, 0, 0]
    while not daemon.is_finished:
        daemon.cycle()
        counts = [stream.tracked for stream in daemon.streams]
        # However many frames a camera has ready, each of the others has its turn before the next.
        assert max(np.subtract(counts, before)) <= 1
        before = counts
    daemon.close()
    order = [line["camera"] for line in lines(tmp_path) if "frame" in line]
    assert {name: order.count(name) for name in "abc"} == {"a": 30, "b": 30, "c": 30}


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
    chain = Chain(Detecting(open_detector(tiny_pack)), tracker(settings, 25.0))
    origin, clock = Origin("r", "door", ["person"]), Clock(mono, lambda: 0.0)
    stream = Stream(capture, chain, origin, events.append, clock)

    def show(frames: range) -> set[int]:
        ids: set[int] = set()
        for number in frames:
            mono.now_s += 0.04
            capture.good_s = mono()
            capture.slot.put(Frame(picture(), number, mono()))
            assert stream.step()
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
    capture.good_s = mono()
    capture.slot.put(Frame(picture(), 30, mono()))
    mono.now_s += 4.0  # the loop had no time for it
    stream.watch()
    assert not any(isinstance(event, Ended) for event in events[before:])
    assert stream.step()
    for _ in range(60):
        mono.now_s += 0.1
        stream.watch()
    shown = {id_ for event in events if isinstance(event, Observed) for id_ in event.tracks.ids.tolist()}
    assert {event.id for event in events if isinstance(event, Ended)} == shown
    states = [event.state for event in events if isinstance(event, CameraChanged)]
    assert states == ["online", "degraded", "online", "degraded", "offline"]
    assert min(show(range(31, 35))) > max(known)
    assert stream.state == "online"


def test_a_driver_that_hangs_for_ever_costs_its_own_camera_only(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = HangingCamera()
    monkeypatch.setattr(edge.service.daemon, "Capture", hanging.instead_of("usb"))
    cameras = [camera("usb", "/dev/video0", stall_s=0.5), camera("live", SCENE)]
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, *cameras)))
    usb, live = daemon.streams
    assert hanging.reads.wait(PATIENCE_S)
    cycle_until(daemon, lambda: usb.state == "offline" and live.tracked > 5)
    began_s = time.monotonic()
    daemon.close()
    assert time.monotonic() - began_s < PATIENCE_S / 2  # the driver hangs twice as long
    assert of(lines(tmp_path), "usb", "camera")[-1]["state"] == "stopped"
    hanging.leave.set()


def test_a_clock_that_is_set_changes_labels_only(tiny_pack: Path, tmp_path: Path) -> None:
    wall_s = [1_790_000_000.0]
    clock = Clock(utc=lambda: wall_s[0] + time.monotonic())
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("live", SCENE))), clock)
    cycle_until(daemon, lambda: daemon.streams[0].tracked >= 5)
    wall_s[0] = 0.0  # 1970
    cycle_until(daemon, lambda: daemon.streams[0].tracked >= 10)
    daemon.close()
    assert daemon.snapshot.clock_steps == 1
    found = lines(tmp_path)
    (step,) = of(found, "live", "clock_step")
    assert step["seconds"] == pytest.approx(-1_790_000_000, abs=1)
    assert {line["t_utc"][:4] for line in of(found, "live", "frame")} == {"2026", "1970"}
    times = [line["t_mono_ns"] for line in of(found, "live", "frame")]
    assert times == sorted(times)
    assert len({line["run"] for line in found}) == 1


def test_totals_of_lines_go_on_after_a_restart(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    database = tmp_path / "history.db"
    before = History(config.History(str(database)))
    before.start()
    origin = Origin("earlier", "a", ["person"])
    before.write([LineCrossed(origin, Moment(1.0, None), "middle", id_, "in", id_, 0, "person") for id_ in (1, 2, 3)])
    before.close()
    line = '[[camera.line]]\nname = "middle"\npoints = [[0, 0.9], [1, 0.9]]\n'
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video), more=f'[history]\npath = "{database}"\n')
    path.write_text(path.read_text().replace("[jsonl]", line + "[jsonl]"))
    daemon = Daemon(config.load(path))
    cycle_until(daemon, lambda: daemon.is_finished)
    assert daemon.streams[0].areas.crossings == {("middle", "in", "person"): 3, ("middle", "out", "person"): 0}
    daemon.close()
    with closing(open_to_read(database)) as reader:
        (row,) = query.sums(reader, "people", "day")
    ended = {event["id"] for event in of(lines(tmp_path), "a", "end")}
    assert row["identities"] == len(ended)
