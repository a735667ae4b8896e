"""`nanotrack track --show` on a virtual display, with the OpenCV that can open windows beside the headless one."""

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.types import Image
from edge.video.images import read_image
from tests.field import FFMPEG, PATIENCE_S, needs_ffmpeg, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.wheels,
    needs_ffmpeg,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
    pytest.mark.skipif(shutil.which("xdotool") is None, reason="xdotool is not installed"),
]
WIDTH, HEIGHT = 320, 240
TRACK = [sys.executable, "-m", "edge.cli", "track", "--path", f"demo://?people=4&size={WIDTH}x{HEIGHT}", "--show"]


@pytest.fixture(scope="module")
def opencv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the OpenCV that has windows, of the version that is installed without."""
    folder = tmp_path_factory.mktemp("opencv")
    version = importlib.metadata.version("opencv-python-headless")
    install = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-deps"]
    done = subprocess.run([*install, "--target", str(folder), f"opencv-python=={version}"], capture_output=True)
    if done.returncode:
        pytest.skip("opencv-python: no wheel for this machine, or no package index")
    return folder


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual display of its own, black."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-noreset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


def _environment(opencv: Path, display: str) -> dict[str, str]:
    paths = [str(opencv), str(Path(__file__).resolve().parents[2])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}


def _screen(display: str, path: Path) -> Image:
    grab = [str(FFMPEG), "-v", "error", "-y", "-f", "x11grab", "-draw_mouse", "0", "-i", display]
    subprocess.run([*grab, "-frames:v", "1", str(path)], check=True, timeout=PATIENCE_S)
    return read_image(path)


def test_the_window_shows_the_video_with_boxes_until_q_is_pressed(
    opencv: Path, display: str, tiny_pack: Path, tmp_path: Path
) -> None:
    environment = _environment(opencv, display)
    command = [*TRACK, "--model", str(tiny_pack), "--conf", "0.001", "--threads", "1"]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with run, contextlib.ExitStack() as stack:
        stack.callback(run.kill)

        def shows_a_street() -> bool:
            assert run.poll() is None, run.communicate()[0]
            screen = _screen(display, tmp_path / "screen.png")
            colours = len(np.unique(screen[:HEIGHT, :WIDTH].reshape(-1, 3), axis=0))
            return colours > 1000 and not screen[HEIGHT:].any() and not screen[:, WIDTH:].any()

        wait_for(shows_a_street, "the screen shows no picture of its own size", 4 * PATIENCE_S)
        window = ["xdotool", "search", "--name", "nanotrack track demo"]
        subprocess.run([*window, "key", "q"], env=environment, check=True, capture_output=True)
        said, _ = run.communicate(timeout=4 * PATIENCE_S)
    assert run.returncode == 0, said
    assert "identities" in said
    assert "window " in said  # the stage


def test_a_display_that_does_not_answer_is_one_sentence(opencv: Path, tiny_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    environment = {**_environment(opencv, ":987"), "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    done = subprocess.run([*TRACK, "--model", str(tiny_pack)], env=environment, capture_output=True, text=True)
    assert done.returncode == 69, done.stderr
    assert done.stderr.count("\n") == 1
    assert "--show cannot open a window on the display :987 (" in done.stderr
    assert "could not connect" in done.stderr
