"""The daemon as a process, with a service manager that listens: signals, cameras that hang, exit codes."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.cli import main
from tests.field import PATIENCE_S, Manager, RtspCamera, Served, has_gstreamer, wait_for
from tests.service.daemon.setups import SCENE, camera, lines, of, write_config

# Where people put passwords; none of these cameras answers.
SECRETIVE = (
    "rtsp://127.0.0.1:1/user=admin&password=hidden&channel=1&stream=0.sdp",
    "http://127.0.0.1:1/video?user=admin&password=hidden",
    "rtsp://cam:sl/hidden@127.0.0.1:1/x",
    "rtsp://hidden@127.0.0.1:1/x",
    "rtsp://cam:sp hidden@127.0.0.1:1/x",
)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    manager, running = Manager(tmp_path / "notify"), list[Served]()

    def start(path: Path, **environment: str) -> Served:
        running.append(Served(path, manager, **environment))
        return running[-1]

    yield start
    for served in running:
        served.kill()
    manager.close()


def seen(folder: Path) -> bool:
    path = folder / "tracks.jsonl"
    return path.exists() and path.read_text().count('"frame"') > 10


def test_a_hanging_camera_stops_nobody_and_no_password_is_shown(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"
        (tmp_path / "camera").write_text("me:secret")
        (tmp_path / "camera").chmod(0o600)
        cameras = [
            camera("hangs", address, credentials="camera", stall_s=PATIENCE_S),
            camera("refuses", "rtsp://you:hidden@127.0.0.1:1/x", stall_s=0.5),
            *(camera(f"c{number}", source, stall_s=0.5) for number, source in enumerate(SECRETIVE)),
            camera("live", SCENE),
        ]
        path = write_config(tmp_path, tiny_pack, *cameras)
        served = serve(path, CREDENTIALS_DIRECTORY=str(tmp_path))
        served.hear("READY=1")
        served.hear("WATCHDOG=1")
        wait_for(lambda: seen(tmp_path), "nothing is written")
        wait_for(lambda: '"offline"' in (tmp_path / "tracks.jsonl").read_text(), "the loss is not noticed")
        code, took_s, output = served.stop()
    assert code == 0, output
    assert took_s < PATIENCE_S / 2
    assert "secret" not in output
    assert "hidden" not in output + (tmp_path / "tracks.jsonl").read_text()
    assert '"camera":"c0","event":"camera","state":"offline"' in (tmp_path / "tracks.jsonl").read_text()
    assert "WARNING camera refuses: offline: " in output
    found = lines(tmp_path)
    started = {(line["run"], track["id"]) for line in of(found, "live", "frame") for track in line["tracks"]}
    assert {(line["run"], line["id"]) for line in of(found, "live", "end")} == started
    assert {line["camera"]: line["state"] for line in found if line.get("event") == "camera"} == dict.fromkeys(
        ("hangs", "refuses", "live", *(f"c{number}" for number in range(len(SECRETIVE)))), "stopped"
    )


@pytest.mark.skipif(not has_gstreamer(), reason="GStreamer's RTSP server and its Python bindings are not installed")
def test_a_fifo_that_nothing_writes_to_stops_nobody(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    fifo = tmp_path / "film.mp4"
    os.mkfifo(fifo)
    path = write_config(tmp_path, tiny_pack, camera("fifo", fifo), camera("looped", fifo, loop=True))
    assert main(["check", "--config", str(path)]) == 0
    path = write_config(tmp_path, tiny_pack, camera("fifo", fifo), camera("live", SCENE))
    served = serve(path)
    served.hear("READY=1")
    wait_for(lambda: seen(tmp_path), "nothing is written")
    served.process.send_signal(signal.SIGHUP)
    served.hear("RELOADING=1")
    served.hear("READY=1")
    code, seconds, log = served.stop()
    assert code == 0, log
    assert seconds < 10 + PATIENCE_S / 4
    assert of(lines(tmp_path), "live", "camera")[-1]["state"] == "stopped"


def test_a_read_that_hangs_while_the_process_ends_does_not_abort_it(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    """The read gives up after `stall_s`: when the interpreter is just being taken apart."""
    rtsp = RtspCamera()
    rtsp.start("128x128")
    try:
        served = serve(write_config(tmp_path, tiny_pack, camera("door", rtsp.address, stall_s=4.0)))
        served.hear("READY=1")
        wait_for(lambda: seen(tmp_path), "nothing is written")
        rtsp.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        code, took_s, output = served.stop()
    finally:
        rtsp.kill()
    assert code == 0, output
    assert took_s < PATIENCE_S / 2
    assert "a camera or an output does not come to an end" in output
    assert of(lines(tmp_path), "door", "camera")[-1]["state"] == "stopped"


def test_sighup_reloads_and_a_bad_file_keeps_the_old_settings(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True))
    served = serve(path)
    served.hear("READY=1")
    wait_for(lambda: seen(tmp_path), "nothing is written")
    wrong = camera("b", tmp_path / "none.mp4")
    write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True), wrong, more="[mistake]\n")
    rows = path.read_text().splitlines()
    served.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "mistake: unknown key" in served.log.read_text(), "the mistake is not told")
    told = served.log.read_text()
    for row, column, words in (
        (f'source = "{tmp_path}/none.mp4"', 1, f"camera.b: {tmp_path}/none.mp4: "),
        ("[mistake]", 2, "mistake: unknown key"),
    ):
        assert f"{path}:{rows.index(row) + 1}:{column}: {words}" in told
    write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True), camera("b", SCENE))
    served.process.send_signal(signal.SIGHUP)
    served.hear("RELOADING=1")
    wait_for(lambda: len(of(lines(tmp_path), "b", "frame")) > 2, "the new camera does not come")
    code, _, output = served.stop(signal.SIGINT)
    assert code == 0, output
    assert "mistake: unknown key" in output
    assert len({line["run"] for line in of(lines(tmp_path), "a", "frame")}) == 1


def _has_frames(path: Path, count: int) -> bool:
    return path.read_text().count('"frame"') > count


def test_killed_it_loses_nothing_that_is_a_second_old_and_its_ids_never_come_again(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    runs = []
    for _ in range(2):
        served = serve(path)
        served.hear("READY=1")
        before = (tmp_path / "tracks.jsonl").read_text().count('"frame"')
        wait_for(partial(_has_frames, tmp_path / "tracks.jsonl", before + 20), "nothing is written")
        # On a busy machine frames come late, but what was tracked is soon in the file, and stays there.
        wait_for(
            lambda: time.monotonic_ns() - lines(tmp_path)[-1]["t_mono_ns"] < 1e9, "the newest line is a second old"
        )
        written = lines(tmp_path)
        served.kill()
        found = lines(tmp_path)
        assert found[: len(written)] == written
        runs.append(found[-1]["run"])
    assert runs[0] != runs[1]


def test_recordings_that_end_are_the_end(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    served = serve(write_config(tmp_path, tiny_pack, camera("a", tiny_video)))
    assert served.process.wait(timeout=PATIENCE_S) == 0, served.log.read_text()
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


def test_a_reload_that_is_asked_for_during_the_start_kills_nobody(
    tiny_pack: Path, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    served = serve(write_config(tmp_path, tiny_pack, camera("live", SCENE)))
    process = served.process
    status = Path(f"/proc/{process.pid}/status")

    def is_safe() -> bool:
        """Whether SIGHUP is ignored, or already heard."""
        masks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith(("SigIgn:", "SigCgt:"))]
        return any(int(mask, 16) & (1 << (signal.SIGHUP - 1)) for mask in masks)

    wait_for(is_safe, "SIGHUP would kill it")
    for _ in range(50):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    served.hear("READY=1")
    wait_for(lambda: seen(tmp_path), "nothing is written")
    code, _, output = served.stop()
    assert code == 0, output
