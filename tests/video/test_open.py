import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import NotFoundError, UsageError
from edge.video.address import is_camera, kind_of, normal
from edge.video.blank import Blank
from edge.video.demo import DemoScene
from edge.video.file import VideoFile
from edge.video.images import ImageFiles
from edge.video.open import open_source
from tests import tiny


def test_the_text_tells_the_kind_of_source(tmp_path: Path, tiny_video: Path) -> None:
    folder = tiny.write_images(tmp_path / "pictures")
    assert isinstance(open_source(str(tiny_video)), VideoFile)
    assert isinstance(open_source(str(folder)), ImageFiles)
    assert isinstance(open_source(f"{folder}/*.png"), ImageFiles)
    assert isinstance(open_source(f"{folder}/frame1.png"), ImageFiles)
    assert isinstance(open_source("demo://?people=2&size=64x64"), DemoScene)


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    assert isinstance(open_source(str(tiny.write_video(tmp_path / "take[1].mp4"))), VideoFile)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("a.mp4", "path"),
        ("img/*.jpg", "path"),
        ("/dev/fd/63", "path"),
        ("ftp://a/b.mp4", "path"),
        ("demo://", "demo"),
        ("DEMO://?people=2", "demo"),
        ("-", "stdin"),
        ("/dev/stdin", "stdin"),
        ("0", "device"),
        ("/dev/video0", "device"),
        ("/dev/v4l/by-id/usb-0", "device"),
        ("csi://0", "csi"),
        *(
            (f"{scheme}://h/x", "network")
            for scheme in ("rtsp", "RTSP", "rtsps", "http", "Https", "udp", "rtmp", "srt")
        ),
    ],
)
def test_the_address_alone_tells_files_from_cameras(address: str, kind: str) -> None:
    assert kind_of(address) == kind
    assert is_camera(address) == (kind in ("device", "csi", "network"))


def test_schemes_come_in_any_case() -> None:
    assert normal("RTSP://Me:Secret@Host/X") == "rtsp://Me:Secret@Host/X"
    assert normal("Some://thing") == "Some://thing"
    with pytest.raises(NotFoundError, match=r"^rtsp://127\.0\.0\.1:1/x: 127\.0\.0\.1 refuses"):
        open_source("RTSP://127.0.0.1:1/x", silence_s=2)


def test_a_name_that_is_no_utf8_is_never_given_to_opencv(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.mp4")
    Path(name).write_bytes(b"video")
    with pytest.raises(NotFoundError, match="its name is no UTF-8; rename it"):
        open_source(name)


def test_a_video_is_read_from_a_pipe(tiny_video: Path) -> None:
    script = (
        "from edge.video.open import open_source; s = open_source('-'); n = 0\n"
        "while (f := s.read(None)) is not None: n += 1\n"
        "print(n, f'{s.size}', s.is_live, s.frame_count)"
    )
    stream = tiny.write_video(tiny_video.with_name("pipe.avi"))
    with stream.open("rb") as pipe:
        done = subprocess.run([sys.executable, "-c", script], input=pipe.read(), capture_output=True)
    assert done.stdout.decode() == "30 (128, 128) False 30\n", done.stderr
    done = subprocess.run([sys.executable, "-c", script], input=b"no video", capture_output=True)
    assert b"standard input: expected a video" in done.stderr


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        open_source(str(tmp_path / "nothing"))


def test_the_scenes_frame_rate_stands_in_its_address() -> None:
    with pytest.raises(UsageError, match="fps=5"):
        open_source("demo://", 5.0)


def test_the_scene_has_as_many_frames_as_asked() -> None:
    source = open_source("demo://?people=2&size=96x64&frames=2&fps=10")
    buffer = np.empty((64, 96, 3), np.uint8)
    frames = [source.read(buffer), source.read(buffer)]
    assert [(f.number, f.time_s, f.image is buffer) for f in frames if f] == [(1, 0.0, True), (2, 0.1, True)]
    assert source.read(buffer) is None


def test_blank_frames() -> None:
    source = Blank(2, 10.0)
    buffer = np.empty((0, 0, 3), np.uint8)
    frames = [source.read(buffer), source.read(buffer)]
    assert [(f.number, f.time_s, f.image.shape) for f in frames if f] == [(1, 0.0, (0, 0, 3)), (2, 0.1, (0, 0, 3))]
    assert source.read(buffer) is None


@pytest.mark.parametrize(
    ("address", "told"), [("rstp://camera/1", "did you mean rtsp://"), ("ftp://a/b.mp4", "ftp://")]
)
def test_a_scheme_that_no_source_has_is_named(address: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"unknown scheme .*{told}"):
        open_source(address)
