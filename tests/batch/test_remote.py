"""Recordings in an object store and on a web server, both real ones on this machine."""

import functools
import hashlib
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.batch import remote
from edge.batch.inputs import recordings
from edge.errors import NotFoundError
from tests import tiny
from tests.batch.test_batch import batch, files, manifest, rows
from tests.field import PATIENCE_S

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_video(tmp_path_factory.mktemp("video") / "door.mp4", 12)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's own server, which sends whole files only."""

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path, video: Path) -> Iterator[str]:
    """The address of a web server with door.mp4."""
    shutil.copy(video, tmp_path / "door.mp4")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server, moto's."""
    pytest.importorskip("s3fs")
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("no moto_server on the path; CONTRIBUTING.md says how to have one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("store") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output)
    try:
        until_s = time.monotonic() + 3 * PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until_s
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_file_of_a_web_server(web: str, video: Path, tiny_pack: Path, tmp_path: Path) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    address = f"{web}/door.mp4?token=secret"
    assert batch(address, "--model", tiny_pack, "--out", out) == 0
    assert batch(video, "--model", tiny_pack, "--out", alone) == 0
    assert (out / "door.txt").read_bytes() == (alone / "door.txt").read_bytes()
    assert manifest(out, "door")["input"]["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert list((out / ".partial").iterdir()) == []  # the copy is gone
    ((shown,),) = rows(out, "SELECT address FROM recordings")
    assert "secret" not in shown
    before = files(out)
    assert batch(address, "--model", tiny_pack, "--out", out) == 0
    assert files(out) == before


def test_what_a_web_server_does_not_have(web: str, tiny_pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(f"{web}/gone.mp4", "--model", tiny_pack, "--out", out) == 65
    ((kind, reason),) = rows(out, "SELECT kind, reason FROM failures")
    assert kind == "not found"
    assert "expected a file, found none" in reason


def test_a_server_that_is_away(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/door.mp4"
    with pytest.raises(NotFoundError, match="cannot be read: Cannot connect to host"):
        remote.stamp(address)


def test_an_object_store(
    store: str, video: Path, tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    for name, value in {
        "AWS_ENDPOINT_URL": store,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    bucket.mkdir("cameras")
    for name in ("door/monday.mp4", "door/tuesday.mp4", "hall/monday.mp4"):
        bucket.put(str(video), f"cameras/{name}")
    bucket.pipe("cameras/door/notes.txt", b"no recording")
    bucket.pipe("cameras/hall/broken.mp4", b"nothing")

    def names(*inputs: str) -> list[str]:
        return [each.name for each in recordings(inputs)]

    assert names("s3://cameras/") == ["door/monday", "door/tuesday", "hall/broken", "hall/monday"]
    assert names("s3://cameras/*/monday.mp4") == ["door/monday", "hall/monday"]
    assert names("s3://cameras/door/monday.mp4") == ["monday"]
    assert names("s3://cameras/door") == ["monday", "tuesday"]

    out, alone = tmp_path / "out", tmp_path / "alone"
    assert batch("s3://cameras/", "--model", tiny_pack, "--out", out, "--workers", 2) == 65
    assert batch(video, "--model", tiny_pack, "--out", alone) == 0
    for name in ("door/monday", "door/tuesday", "hall/monday"):
        assert (out / f"{name}.txt").read_bytes() == (alone / "door.txt").read_bytes()
    ((name, kind, reason),) = rows(out, "SELECT recording, kind, reason FROM failures")
    assert (name, kind) == ("hall/broken", "data")
    assert reason.startswith("s3://cameras/hall/broken.mp4: expected a video")
    bucket.put(str(tiny.write_video(tmp_path / "other.mp4", 5)), "cameras/hall/broken.mp4")
    before = (out / "door" / "monday.txt").stat().st_ino
    assert batch("s3://cameras/", "--model", tiny_pack, "--out", out) == 0
    assert rows(out, "SELECT recording FROM failures") == []
    assert (out / "door" / "monday.txt").stat().st_ino == before

    with pytest.raises(NotFoundError):
        names("s3://no-such-bucket/")
