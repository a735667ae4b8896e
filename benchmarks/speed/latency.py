"""From the capture of a frame until its tracks are out, and how many frames a second the daemon sustains.

    python -m benchmarks.speed.latency

Needs mosquitto. Takes about a minute and a half.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.endurance.site import make_pack, write_config
from benchmarks.endurance.witnesses import Listener, sign_of
from benchmarks.field import MOSQUITTO, Broker, Manager, Served
from benchmarks.results import table, write_section

INPUT_SIZE, PICTURE_SIZE, PEOPLE = "416x256", "640x360", 8
FILM_FRAMES, FILM_FPS = 300, 30
# Cameras and the frames a second that each of them sends; the last are more than can be tracked.
LOADS = ((1, 30), (4, 30), (4, 200))
WARM_UP_S, MEASURED_S = 4.0, 15.0
_START_S = 300.0


@dataclass(frozen=True)
class Result:
    """Seconds from the capture of each frame until it was on disk and at an MQTT client; frames a second; cores."""

    disk_s: list[float]
    mqtt_s: list[float]
    fps: float
    sent_fps: float
    cores: float


class Tail:
    """Follows JSON lines as they are written: `latencies` are (when read, seconds since the capture)."""

    def __init__(self, path: Path):
        self.latencies: list[tuple[float, float]] = []
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._path.open() as file:
            rest = ""
            while not self._stop.is_set():
                text = file.read()
                now_s = time.monotonic()
                *lines, rest = (rest + text).split("\n")
                for line in map(json.loads, lines):
                    if "frame" in line:
                        self.latencies.append((now_s, now_s - line["t_mono_ns"] / 1e9))
                time.sleep(0.001)


def main() -> None:
    """Measure, print the table, write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    if MOSQUITTO is None:
        sys.exit("this needs mosquitto")
    with tempfile.TemporaryDirectory(prefix="latency-") as name:
        folder = Path(name)
        pack, film = make_pack(folder, INPUT_SIZE), _film(folder / "street.mp4")
        results = {load: measure(folder, pack, film, *load) for load in LOADS}
    text = _text(results)
    print(text)
    if not args.dry_run:
        packages = ("nanotrack-edge", "numpy", "onnxruntime", "opencv-python-headless", "paho-mqtt")
        write_section(
            "latency", "End to end latency of the daemon", text, "python -m benchmarks.speed.latency", packages
        )


def measure(folder: Path, pack: Path, film: Path, cameras: int, fps: int) -> Result:
    """A daemon with so many cameras of `fps` frames a second each, for `MEASURED_S` seconds."""
    with ExitStack() as opened:
        site = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        broker = Broker(site)
        opened.callback(broker.kill)
        listener = Listener(broker.port)
        opened.callback(listener.close)
        manager = Manager(site / "notify")
        opened.callback(manager.close)
        write_config(
            site / "nanotrack.toml",
            [{"name": f"c{i}", "source": str(film), "loop": True, "frame_rate": float(fps)} for i in range(cameras)],
            model={"pack": str(pack)},
            jsonl={"folder": str(site), "free_mib": 0},
            mqtt={"host": "127.0.0.1", "port": broker.port},
        )
        daemon = Served(site / "nanotrack.toml", manager)
        opened.callback(daemon.kill)
        daemon.hear("READY=1", _START_S)
        tail = Tail(site / "tracks.jsonl")
        time.sleep(WARM_UP_S)
        before = sign_of(daemon.process.pid)
        time.sleep(MEASURED_S)
        after = sign_of(daemon.process.pid)
        tail.stop()
        daemon.stop()
    span_s = after.at_s - before.at_s
    disk_s = [s for at_s, s in tail.latencies if before.at_s <= at_s < after.at_s]
    mqtt_s = [s for at_s, _, s in listener.latencies if before.at_s <= at_s < after.at_s]
    return Result(disk_s, mqtt_s, len(disk_s) / span_s, float(cameras * fps), (after.cpu_s - before.cpu_s) / span_s)


def _film(path: Path) -> Path:
    """The built-in scene as a video, which costs less than to paint it while others are timed; the video."""
    import cv2

    from edge.demo.scene import Scene

    scene = Scene.from_url(f"demo://?people={PEOPLE}&size={PICTURE_SIZE}&fps={FILM_FPS}&seed=3&frames={FILM_FRAMES}")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), FILM_FPS, scene.size)
    for frame, _ in scene:
        writer.write(frame.image)
    writer.release()
    return path


def _text(results: dict[tuple[int, int], Result]) -> str:
    rows = [
        (
            str(cameras),
            f"{fps} each",
            f"{result.fps:.1f}",
            f"{100 * max(0.0, 1 - result.fps / result.sent_fps):.0f} %",
            *(f"{1e3 * value:.1f}" for value in np.percentile(result.disk_s, (50, 99))),
            *(f"{1e3 * value:.1f}" for value in np.percentile(result.mqtt_s, (50, 99))),
            f"{result.cores:.2f}",
        )
        for (cameras, fps), result in results.items()
    ]
    columns = ("cameras", "frames a second", "tracked a second", "replaced by newer", "to disk p50 ms", "p99")
    return f"""`nanotrack serve` on a looped video of {PICTURE_SIZE} (MPEG-4, the built-in scene, {PEOPLE} people),
paced as by a camera; the built-in network, input {INPUT_SIZE}, fp32, one thread. From the moment a picture is decoded
until a reader has its line of the JSON lines, and until an MQTT client has it from mosquitto: {MEASURED_S:g} s, after
{WARM_UP_S:g} s. Broker, client and reader run on the same cores.

{table((*columns, "to MQTT p50 ms", "p99", "cores used"), rows)}"""


if __name__ == "__main__":
    main()
