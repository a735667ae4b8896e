"""`nanotrack check` says "ready" exactly when `nanotrack serve` starts: the same files, given to both."""

import os
import re
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from tests.field import Manager, Served
from tests.service.daemon.setups import SCENE, camera, write_config

GOOD = """
[history]
path = "{folder}/new/history.db"
[mot]
folder = "{folder}"
[web]
port = 0
[mqtt]
host = "127.0.0.1"
port = 1
"""

# What is changed in a good file: pattern and replacement, the exit code of serve, and what the message says.
FAULTS = {
    "nothing": ("", "", 0, ""),
    "pack": (r'pack = ".*"', 'pack = "{folder}/none.pack"', 66, "expected a model pack"),
    "class": (r"threads = 1", 'classes = ["cat"]', 66, "the pack knows only"),
    "rung": (r"threads = 1", 'require = "tensorrt-int8"', 69, "nothing that was asked for runs it"),
    "method": (r"\[mot\]", '[tracking]\nmethod = "sort"\n[mot]', 64, "tracking: .*sort"),
    "parameter": (r"\[mot\]", "[tracking]\nparameters = {{ track_buffer = 30 }}\n[mot]", 64, "unknown parameter"),
    "no appearance network": (r"\[mot\]", '[tracking]\nappearance = "ema"\n[mot]', 64, "appearance network"),
    "recording": (r"source = .*", 'source = "{folder}/none.mp4"', 66, "camera.a: .*none.mp4"),
    "no video": (r"source = .*", 'source = "{folder}/nanotrack.toml"', 65, "camera.a: .*nanotrack.toml"),
    "scene": (r"source = .*", 'source = "demo://?people=0"', 64, "camera.a: demo"),
    "transport": (
        r"source = (.*)",
        r"source = \1\nrtsp_transport = 'udp'",
        64,
        "rtsp_transport: expected with rtsp://",
    ),
    "mode": (r"source = .*", 'source = "rtsp://127.0.0.1:1/"\nsize = [640, 480]', 64, "size: expected with a V4L2"),
    "camera's login": (r"source = .*", 'source = "rtsp://127.0.0.1:1/"\ncredentials = "none"', 66, "LoadCredential"),
    "jsonl folder": (
        r"\[jsonl\]\nfolder = .*",
        '[jsonl]\nfolder = "{folder}/none"',
        73,
        "jsonl.*No such file",
    ),
    "jsonl file": (r"\[jsonl\]\nfolder = .*", '[jsonl]\nfolder = "{folder}/odd"', 73, "may not write it"),
    "mot folder": (
        r"\[mot\]\nfolder = .*",
        '[mot]\nfolder = "{folder}/nanotrack.toml"',
        73,
        "mot.*found a file",
    ),
    "history": (r"path = .*", 'path = "{folder}/other.db"', 73, "database of another program"),
    "history folder": (r"path = .*", 'path = "{folder}/nanotrack.toml/history.db"', 73, "history.path: "),
    "damaged history": (r"path = .*", 'path = "{folder}/damaged.db"', 0, ""),
    "broker's login": (r"port = 1\n", 'credentials = "{folder}/none"\n', 66, "mqtt: .*none"),
    "broker's authority": (r"port = 1\n", 'tls = true\nca_file = "{folder}/none.pem"\n', 66, "mqtt: .*none.pem"),
    "certificate": (r"port = 0", 'certificate = "{folder}/none.pem"\nkey = "{folder}/none"', 66, "web: .*none.pem"),
    "open secret": (r"port = 0", 'credentials = "{folder}/open"', 78, "all users of this machine may read"),
    "address": (r"port = 0", 'address = "192.0.2.1"\ninsecure = true', 69, "cannot listen on 192.0.2.1"),
    "port": (r"port = 0", "port = {port}", 69, "another program"),
    "two kinds": (r"port = 0", "port = {port}\n[heat]\nlimit = 3", 78, "heat.limit: unknown key"),
}


@pytest.fixture
def other_program() -> Iterator[int]:
    """A port at which a program listens that is no daemon of ours, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def good(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> Path:
    """A good configuration whose only camera is a recording, so that serve ends with it."""
    return write_config(tmp_path, tiny_pack, camera("a", tiny_video), more=GOOD.format(folder=tmp_path))


def answers(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, int, str]:
    """Exit code and message of check, and of serve."""
    capsys.readouterr()
    check = main(["check", "--config", str(path)])
    checked = capsys.readouterr().err
    serve = main(["serve", "--config", str(path)])
    return check, checked, serve, capsys.readouterr().err


@pytest.mark.parametrize("fault", FAULTS)
def test_check_and_serve_agree(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other_program: int, fault: str
) -> None:
    pattern, replacement, code, says = FAULTS[fault]
    (tmp_path / "odd" / "tracks.jsonl").mkdir(parents=True)
    (tmp_path / "open").write_text("me:secret")
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE theirs (x)")
    text, changes = re.subn(pattern, replacement.format(folder=tmp_path, port=other_program), good.read_text(), count=1)
    assert changes == 1
    good.write_text(text)
    check, checked, serve, served = answers(good, capsys)
    assert (check, serve) == (78 if code else 0, code), checked + served
    if code:
        assert re.search(says, checked)
        assert checked.replace("nanotrack check", "") == served.replace("nanotrack serve", "")
        assert f"{good}:" in checked


@pytest.mark.parametrize(
    ("module", "section"), [("prometheus_client", "web"), ("paho.mqtt.client", "mqtt")], ids=["web", "mqtt"]
)
def test_they_agree_about_a_missing_extra(
    good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: str, section: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    check, checked, serve, served = answers(good, capsys)
    assert (check, serve) == (78, 69)
    for text in (checked, served):
        assert f"pip install 'nanotrack-edge[{section}]'" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a user who may not write")
def test_they_agree_about_a_folder_of_another_user(good: Path, tmp_path: Path) -> None:
    (tmp_path / "tracks.jsonl").write_text("")
    for path in (tmp_path, *tmp_path.parents):
        if path.name.startswith("pytest"):
            path.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        os._exit(main(["check", "--config", str(good)]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 78


def test_a_camera_that_is_not_there_is_waited_for(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cameras = camera("usb", "/dev/video99"), camera("far", "rtsp://127.0.0.1:1/x"), camera("near", SCENE)
    path = write_config(tmp_path, tiny_pack, *cameras, more="[web]\nport = 0\n")
    assert main(["check", "--config", str(path)]) == 0
    waits, ready = capsys.readouterr().out.splitlines()
    assert re.match(rf"{path}:7:1: camera.usb: is waited for: /dev/video99: ", waits)
    assert ready.endswith("ready to serve usb, far, near")
    manager = Manager(tmp_path / "notify")
    served = Served(path, manager)
    try:
        served.hear("READY=1")
    finally:
        served.kill()
        manager.close()


def test_a_port_that_a_daemon_of_ours_has_is_no_mistake(tiny_pack: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = write_config(tmp_path, tiny_pack, camera("near", SCENE), more=f"[web]\nport = {port}\n")
    manager = Manager(tmp_path / "notify")
    served = Served(path, manager)
    try:
        served.hear("READY=1")
        assert main(["check", "--config", str(path)]) == 0
    finally:
        served.kill()
        manager.close()


def test_check_writes_nothing(good: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(["check", "--config", str(good)]) == 0
    assert sorted(tmp_path.rglob("*")) == before
