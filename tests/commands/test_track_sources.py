"""`nanotrack track` on cameras, streams and pipes, and `--demo`."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.motchallenge import read_tracks
from tests import tiny
from tests.field import PATIENCE_S, RtspCamera, has_gstreamer
from tests.video.http_camera import http_camera

COMMAND = [sys.executable, "-m", "edge.cli", "track"]


def track(*arguments: object) -> int:
    return main(["track", *map(str, arguments)])


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--demo", "webcam", "--path", "a.mp4"], 64, "--path a.mp4 is of kind video; leave out --demo"),
        (["--demo", "video", "--path", "0"], 64, "--demo video: --path 0 is of kind webcam"),
        (
            ["--demo", "image", "--path", "rtsp://me:secret@h/x"],
            64,
            "--path rtsp://***@h/x is of kind video",
        ),
        (["--demo", "video", "--path", "img/*.png"], 64, "is of kind image"),
        (["--demo", "video"], 64, "--demo video: expected --path SOURCE, found none"),
        (["--demo", "webcam", "--path", "97"], 66, "/dev/video97: expected a camera, found no such device"),
        (["--path", "RTSP://me:secret@127.0.0.1:1/x"], 66, "rtsp://***@127.0.0.1:1/x: 127.0.0.1 refuses"),
        (["--path", "csi://0"], 69, "without GStreamer"),
    ],
)
def test_what_is_no_source(
    tiny_pack: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, message: str
) -> None:
    assert track("--model", tiny_pack, *flags) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "secret" not in error


def test_webcam_alone_is_the_first_camera(tiny_pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if Path("/dev/video0").exists():
        pytest.skip("there is a camera here")
    assert track("--demo", "webcam", "--model", tiny_pack) == 66
    assert "/dev/video0: expected a camera, found no such device" in capsys.readouterr().err


def test_demo_may_say_what_the_path_says(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    folder = tiny.write_images(tmp_path / "p")
    assert track("--demo", "video", "--path", tiny_video, "--model", tiny_pack, "--frames", 2) == 0
    assert track("--demo", "image", "--path", folder, "--model", tiny_pack, "--frames", 2) == 0


def test_a_video_from_a_pipe_loses_no_frame(tiny_pack: Path, tmp_path: Path) -> None:
    stream = tiny.write_video(tmp_path / "stream.avi")
    flags = ["--path", "-", "--model", str(tiny_pack), "--mot", str(tmp_path / "o.txt"), "--jsonl", "-"]
    done = subprocess.run([*COMMAND, *flags], input=stream.read_bytes(), capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert set(read_tracks(tmp_path / "o.txt").frames) == set(range(1, 31))
    assert {json.loads(line)["camera"] for line in done.stdout.splitlines()} == {"stdin"}


def test_a_terminal_is_no_video(tiny_pack: Path) -> None:
    master, terminal = pty.openpty()
    done = subprocess.run([*COMMAND, "--path", "-", "--model", tiny_pack], stdin=terminal, capture_output=True)
    os.close(master)
    os.close(terminal)
    assert done.returncode == 64
    assert b"-: expected a video on standard input, found a terminal; pipe one into it" in done.stderr


def test_pictures_over_http_are_tracked_in_their_own_sizes(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with http_camera() as (host, _):
        arguments = ["--path", f"http://{host}/stream", "--model", tiny_pack, "--jsonl", tmp_path / "o.jsonl"]
        assert track(*arguments, "--save", tmp_path / "o.mp4") == 66
    assert f"http://{host}/stream: sends no more pictures after frame 20; the results so far are kept" in (
        capsys.readouterr().err
    )
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    frames = [line for line in lines if "frame" in line]
    assert {line["camera"] for line in lines} == {"127.0.0.1"}
    assert frames[-1]["frame"] == 20
    assert frames[-1]["size"] == [256, 256]
    small = {t["id"] for line in frames if line["size"] == [128, 128] for t in line["tracks"]}
    large = {t["id"] for line in frames if line["size"] == [256, 256] for t in line["tracks"]}
    assert large
    assert small.isdisjoint(large)


def test_a_real_rtsp_camera(tiny_pack: Path, tmp_path: Path) -> None:
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server and its Python bindings are not installed")
    camera = RtspCamera()
    camera.start("320x240")
    try:
        path = camera.address.replace("rtsp", "RTSP")
        arguments = ["--path", path, "--model", tiny_pack, "--frames", 20, "--jsonl", tmp_path / "o.jsonl"]
        assert track(*arguments, "--conf", 0.001) == 0
    finally:
        camera.kill()
    frames = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    frames = [line for line in frames if "frame" in line]
    assert len(frames) == 20
    assert {tuple(line["size"]) for line in frames} == {(320, 240)}
    numbers = [line["frame"] for line in frames]
    assert numbers == sorted(set(numbers))
