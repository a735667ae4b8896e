"""Configurations of daemons under test, and what they wrote."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.service.daemon import Daemon
from edge.settings.config import CameraConfig
from edge.types import Frame, Image
from edge.video.capture import Capture, open_camera
from tests.field import PATIENCE_S
from tests.sinks.schema import lines_of

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


def cycle_until(daemon: Daemon, done: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    limit_s = time.monotonic() + timeout_s
    while not done():
        daemon.cycle()
        assert time.monotonic() < limit_s, "it did not happen in time"


class HangingCamera:
    """A device whose driver never comes back, as no camera on this machine can be made to."""

    size, frame_rate, frame_count, is_live = (0, 0), 30.0, None, True

    def __init__(self) -> None:
        self.reads, self.leave = threading.Event(), threading.Event()

    def instead_of(self, name: str) -> Callable[..., Capture]:
        """Captures of which that of the camera `name` reads from here."""

        def open_capture(camera: CameraConfig, ready: threading.Event, clock: Callable[[], float]) -> Capture:
            return Capture(camera, ready, clock=clock, connect=self.connect if camera.name == name else open_camera)

        return open_capture

    def connect(self, camera: CameraConfig, clock: Callable[[], float]) -> "HangingCamera":
        return self

    def read(self, buffer: Image | None) -> Frame | None:
        self.reads.set()
        self.leave.wait(PATIENCE_S)
        return None

    def close(self) -> None:
        pass
