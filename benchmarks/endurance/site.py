"""A site to serve: four cameras, a broker, a small disk, a daemon with all outputs, all real and on this machine."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.endurance.witnesses import Listener, Pages
from benchmarks.field import Broker, Manager, RtspCamera, Served, SmallDisk, free_port, make_certificate

# The built-in network at a quarter of its pixels: the soak shall keep less than one core busy.
INPUT_SIZE = "320x192"
FPS = 3
DISK_MIB = 24
PICTURES_MIB = 3  # of snapshots, and of clips: so few that both are removed again and again
# What edge/deploy/nanotrack.service says of memory.
UNIT_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
CAMERAS = ("lobby", "street", "door", "yard")
SIZES = ("320x180", "480x270", "640x360")
_WEIGHTS = Path(__file__).resolve().parents[2] / "edge" / "demo" / "weights" / "detector.pth"
_STREET_JPEGS = 240
_BROKER = ("allow_anonymous true", "user root", "persistence true", "max_queued_messages 0")
# As the unit allows: the first start of all compiles the kernels.
_START_S = 300.0
_ZONE = {"name": "till", "points": [[0.2, 0.4], [0.8, 0.4], [0.8, 1.0], [0.2, 1.0]], "stay_s": 3.0}
_LINE = {"name": "gate", "points": [[0.5, 0.2], [0.5, 1.0]]}
_AREAS = ("zone", "line")


def make_pack(folder: Path, input_size: str) -> Path:
    """A model pack of the built-in detector with that input; the pack."""
    pack = folder / f"{input_size}.pack"
    command = [sys.executable, "-m", "export.cli", "pack", "--detector", str(_WEIGHTS), "--input-size", input_size]
    subprocess.run([*command, "--licence", "Apache-2.0", "--force", "-o", str(pack)], check=True, capture_output=True)
    return pack


def write_config(path: Path, cameras: list[dict[str, Any]], **sections: dict[str, Any]) -> None:
    """A configuration of those cameras and sections."""
    blocks = [_block(f"[{name}]", values) for name, values in sections.items()]
    for camera in cameras:
        blocks.append(_block("[[camera]]", {key: value for key, value in camera.items() if key not in _AREAS}))
        blocks += [_block(f"[[camera.{kind}]]", area) for kind in _AREAS for area in camera.get(kind, [])]
    # In one go, since a daemon may read it at any time.
    fresh = path.with_suffix(".fresh")
    fresh.write_text("\n".join(blocks))
    os.replace(fresh, path)


def _block(head: str, values: dict[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])


class Site:
    """The site in `folder`, a new one, with the daemon ready: `demo://` cameras lobby and street, RTSP door and yard.

    Raises AssertionError where something does not start.
    """

    def __init__(self, folder: Path):
        self.config = folder / "nanotrack.toml"
        self._web_port = free_port()
        self.certificate, self._key = make_certificate(folder)
        self.pages = Pages(f"https://127.0.0.1:{self._web_port}", self.certificate)
        self._pack = make_pack(folder, INPUT_SIZE)
        with ExitStack() as opened:
            self.disk = SmallDisk(folder / "disk", DISK_MIB)
            self.pictures, self.history = self.disk.folder / "pictures", self.disk.folder / "history.db"
            opened.callback(self.disk.close)
            jpegs = self._film(folder / "street")
            self.cameras = {name: RtspCamera(jpegs, str(FPS)) for name in ("door", "yard")}
            for camera in self.cameras.values():
                camera.start(SIZES[0])
                opened.callback(camera.kill)
            # It remembers the witness's subscription: he hears what is kept for a broker that was away.
            self.broker = Broker(folder, "\n".join([*_BROKER, f"persistence_location {folder}/"]))
            opened.callback(self.broker.kill)
            self.listener = Listener(self.broker.port)
            opened.callback(self.listener.close)
            self.broker.remember()
            self.configure(is_changed=False)
            self.manager = Manager(folder / "notify")
            opened.callback(self.manager.close)
            self.daemon = Served(self.config, self.manager, **UNIT_ENVIRONMENT)
            opened.callback(self.daemon.kill)
            self.daemon.hear("READY=1", _START_S)
            self._opened = opened.pop_all()

    def configure(self, *, is_changed: bool) -> None:
        """Write one of two good configurations: a changed one has a zone in the street, and larger files."""
        cameras: list[dict[str, object]] = [
            {"name": "lobby", "source": f"demo://?people=3&size={SIZES[0]}&fps={FPS}&seed=1"},
            {"name": "street", "source": f"demo://?people=4&size={SIZES[1]}&fps={FPS}&seed=2"},
            *[dict[str, object](name=name, source=camera.address) for name, camera in self.cameras.items()],
        ]
        for camera in cameras:
            camera["line"] = [_LINE]
        cameras[0]["zone"] = [_ZONE]
        if is_changed:
            cameras[1]["zone"] = [_ZONE]
        pictures = {"folder": str(self.pictures), "max_mib": PICTURES_MIB, "free_mib": 0}
        write_config(
            self.config,
            cameras,
            model={"pack": str(self._pack), "threads": 1},
            jsonl={
                "folder": str(self.disk.folder),
                "rotate_mib": 0.75 if is_changed else 0.5,
                "keep": 12,
                "free_mib": 0,  # the floor would keep the disk from ever being really full
            },
            mqtt={"host": "127.0.0.1", "port": self.broker.port, "update_s": 2.0, "home_assistant": True},
            history={"path": str(self.history)},
            snapshots={**pictures, "on": ["line", "stay"], "longest_px": 640},
            clips={**pictures, "on": ["stay"], "before_s": 1.0, "after_s": 2.0},
            web={"port": self._web_port, "certificate": str(self.certificate), "key": str(self._key)},
        )

    def close(self) -> None:
        """Take all of it away."""
        self._opened.close()

    def _film(self, folder: Path) -> str:
        """Pictures of the built-in scene for the RTSP cameras; the pattern of their names."""
        import cv2

        from edge.demo.scene import Scene

        folder.mkdir()
        for frame, _ in Scene.from_url(f"demo://?people=4&size={SIZES[2]}&fps={FPS}&seed=5&frames={_STREET_JPEGS}"):
            cv2.imwrite(str(folder / f"{frame.number:04d}.jpg"), frame.image)
        return str(folder / "%04d.jpg")
