"""The daemon's page as a picture for the README: three scenes and a camera that is gone, in a headless Chromium.

python -m benchmarks.endurance.page --model out/demo/builtin.pack [--seconds 40]
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.field.browser import PROGRAM, Browser
from benchmarks.results import RESULTS
from edge.service.daemon import Daemon
from edge.settings.config import load

PICTURE = RESULTS / "page.jpg"
WIDTH, HEIGHT = 1440, 900
CONFIG = """
[model]
pack = "{model}"
[[camera]]
name = "street"
source = "demo://?people=9&seed=3&size=640x360&fps={fps}"
[[camera.zone]]
name = "crossing"
points = [[0.3, 0.45], [0.7, 0.45], [0.85, 0.95], [0.15, 0.95]]
[[camera.line]]
name = "gate"
points = [[0.72, 0.35], [0.95, 0.75]]
[[camera]]
name = "square"
source = "demo://?people=10&seed=8&size=640x360&fps={fps}"
[[camera]]
name = "yard"
source = "rtsp://127.0.0.1:1/stream1"
stall_s = 2.0
[[camera]]
name = "corner"
source = "demo://?people=7&seed=12&size=640x360&fps={fps}"
[web]
port = 0
"""


def main() -> None:
    """Run the daemon for a while, look at its page, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=40.0, help="before the picture is taken")
    parser.add_argument("--fps", type=float, default=8.0, help="of each scene; drawing them costs more than tracking")
    args = parser.parse_args()
    if PROGRAM is None:
        raise SystemExit("expected Chromium, found none; install it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nanotrack.toml"
        path.write_text(CONFIG.format(model=args.model.resolve(), fps=args.fps), "utf-8")
        daemon = Daemon(load(path))
    stop = threading.Event()
    loop = threading.Thread(target=_run, args=(daemon, stop))
    loop.start()
    try:
        _take(daemon, args.seconds)
    finally:
        stop.set()
        loop.join()
        daemon.close()


def _run(daemon: Daemon, stop: threading.Event) -> None:
    while not stop.is_set():
        daemon.cycle()


def _take(daemon: Daemon, seconds: float) -> None:
    time.sleep(seconds - 10)
    with Browser(WIDTH, HEIGHT) as browser:
        browser.open(f"http://127.0.0.1:{daemon.port}")
        browser.wait_for("[...document.images].filter((image) => image.naturalWidth).length === 3")
        time.sleep(8)
        browser.screenshot(PICTURE, format="jpeg", quality=60)
    print(f"{PICTURE}: {PICTURE.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
