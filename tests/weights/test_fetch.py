"""Fetching weights from a server that behaves, and from servers that do not."""

import hashlib
import io
import shutil
import ssl
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge.errors import DataError, NotFoundError, OutputError, UnavailableError
from edge.weights.catalogue import CATALOGUE, Weights
from edge.weights.fetch import fetch
from tests.field import PATIENCE_S

BODY = bytes(range(256)) * 1200  # 300 KB
SHA = hashlib.sha256(BODY).hexdigest()


class Server:
    """A real HTTP server on this machine. `plan` says what each request in turn meets; after it all is well."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.body = BODY
        self.ranges = True
        self.tag = '"one"'
        self.kind = "application/octet-stream"
        self.says_length = True
        self.requests: list[str | None] = []
        self.wake = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/weights.bin"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request as planned."""
        asked = request.headers.get("Range")
        self.requests.append(asked)
        step = self.plan.pop(0) if self.plan else "well"
        if step.isdecimal():
            request.send_error(int(step))
            return
        serves_ranges = self.ranges and request.headers.get("If-Range", self.tag) == self.tag
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and serves_ranges else 0
        if start > len(self.body):
            request.send_error(416)
            return
        body = self.body[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", self.kind)
        request.send_header("ETag", self.tag)
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        if start:
            at = start + 1 if step == "elsewhere" else start
            request.send_header("Content-Range", f"bytes {at}-{len(self.body) - 1}/{len(self.body)}")
        request.end_headers()
        if step == "slow":
            self.wake.wait(PATIENCE_S)
        elif step == "cut":
            request.wfile.write(body[:100_000])
            request.wfile.flush()
            request.connection.close()
        else:
            request.wfile.write(body)

    def close(self) -> None:
        """Stop at once."""
        self.wake.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def weights(server: Server, sha256: str | None = SHA) -> Weights:
    return Weights("weights.bin", server.url, "test", "test", "test", sha256)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told = []
    path = fetch(weights(server), tmp_path / "new", report=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == BODY
    assert names(tmp_path / "new") == ["weights.bin"]
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(weights(server), tmp_path)
    fetch(weights(server), tmp_path)
    assert len(server.requests) == 1


def test_a_wrong_file_that_is_there_is_an_error_and_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"something of yours")
    with pytest.raises(DataError, match="move it away"):
        fetch(weights(server), tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == b"something of yours"
    assert server.requests == []


def test_an_interruption_in_the_body_is_taken_up_where_it_was(server: Server, tmp_path: Path) -> None:
    server.plan = ["cut"]
    assert fetch(weights(server), tmp_path).read_bytes() == BODY
    first, second = server.requests
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 100_000
    assert names(tmp_path) == ["weights.bin"]


def test_after_too_many_interruptions_the_part_is_kept_and_the_next_call_goes_on(
    server: Server, tmp_path: Path
) -> None:
    server.plan = ["cut", "500", "503"]
    with pytest.raises(UnavailableError, match="goes on from there"):
        fetch(weights(server), tmp_path)
    assert names(tmp_path) == ["weights.bin.part"]
    have = (tmp_path / "weights.bin.part").stat().st_size
    assert fetch(weights(server), tmp_path).read_bytes() == BODY
    assert server.requests[-1] == f"bytes={have}-"


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.plan = ["cut"]
    assert fetch(weights(server), tmp_path).read_bytes() == BODY


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin.part").write_bytes(b"x" * (len(BODY) + 5))
    assert fetch(weights(server), tmp_path).read_bytes() == BODY


def test_wrong_content_is_one_clear_error_and_nothing_is_left(server: Server, tmp_path: Path) -> None:
    server.body = b"<html>please sign in</html>"
    with pytest.raises(DataError, match=rf"expected sha256 {SHA[:12]}…, found .*nothing was kept"):
        fetch(weights(server), tmp_path)
    assert names(tmp_path) == []


def test_a_stale_part_does_not_survive_the_check(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin.part").write_bytes(b"y" * 1000)
    with pytest.raises(DataError, match="sha256"):
        fetch(weights(server), tmp_path)
    assert names(tmp_path) == []


def test_without_a_published_hash_the_length_counts(server: Server, tmp_path: Path) -> None:
    server.plan = ["cut"]
    assert fetch(weights(server, sha256=None), tmp_path).read_bytes() == BODY
    assert server.requests[1] is not None


def test_without_a_published_hash_half_a_file_never_stays(server: Server, tmp_path: Path) -> None:
    server.plan = ["cut", "cut", "cut"]
    server.ranges = False
    with pytest.raises(UnavailableError, match="broke off"):
        fetch(weights(server, sha256=None), tmp_path)
    assert names(tmp_path) == []


def test_without_a_published_hash_a_body_without_a_known_end_is_refused(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    with pytest.raises(UnavailableError, match="broke off"):
        fetch(weights(server, sha256=None), tmp_path)
    assert names(tmp_path) == []
    assert fetch(weights(server), tmp_path).read_bytes() == BODY  # the hash tells


def test_two_versions_are_never_joined(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.bin.part").write_bytes(b"z" * 1000)  # of an earlier call, of whatever version
    server.plan = ["cut"]
    newer = bytes(reversed(BODY))
    real = server.answer

    def answer(request: BaseHTTPRequestHandler) -> None:
        real(request)
        server.body, server.tag = newer, '"two"'

    server.answer = answer  # type: ignore[method-assign]
    assert fetch(weights(server, sha256=None), tmp_path).read_bytes() == newer


def test_another_piece_than_the_one_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.plan = ["cut", "elsewhere"]
    assert fetch(weights(server), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("sha256", [None, SHA])
def test_a_web_page_is_no_file(server: Server, tmp_path: Path, sha256: str | None) -> None:
    server.kind, server.body = "text/html; charset=utf-8", b"<html>too many downloads</html>"
    with pytest.raises(DataError, match="web page"):
        fetch(weights(server, sha256), tmp_path)
    assert names(tmp_path) == []


def test_without_a_published_hash_a_checkpoint_must_be_whole(server: Server, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", bytes(5000))
    entry = Weights("net.ckpt", server.url, "", "", "")
    server.body = archive.getvalue()[:-100]
    with pytest.raises(DataError, match=r"expected a PyTorch checkpoint .*nothing was kept"):
        fetch(entry, tmp_path)
    assert names(tmp_path) == []
    server.body = archive.getvalue()
    assert fetch(entry, tmp_path).read_bytes() == archive.getvalue()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_that_is_a_link_is_not_followed(server: Server, tmp_path: Path, mirrored: bool) -> None:
    victim, mirror, out = tmp_path / "victim", tmp_path / "mirror", tmp_path / "out"
    victim.write_text("precious")
    for folder in (mirror, out):
        folder.mkdir()
    (mirror / "weights.bin").write_bytes(BODY)
    (out / "weights.bin.part").symlink_to(victim)
    with pytest.raises(OutputError, match=r"weights\.bin\.part"):
        fetch(weights(server), out, mirror=mirror if mirrored else None)
    assert victim.read_text() == "precious"


def test_no_redirect_leaves_encryption(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real TLS server that sends us to a plain one."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(make, check=True, capture_output=True)

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", server.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    secure = ThreadingHTTPServer(("localhost", 0), Redirect)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    try:
        entry = Weights("weights.bin", f"https://localhost:{secure.server_port}/w", "", "", "", SHA)
        with pytest.raises(UnavailableError, match="not encrypted"):
            fetch(entry, tmp_path / "out", timeout_s=5)
    finally:
        secure.shutdown()
        secure.server_close()
    assert server.requests == []


def test_a_silent_server_is_given_up(server: Server, tmp_path: Path) -> None:
    server.plan = ["slow", "slow", "slow"]
    start_s = time.monotonic()
    with pytest.raises(UnavailableError, match=r"no answer within 0.2 s|timed out"):
        fetch(weights(server), tmp_path, timeout_s=0.2)
    assert time.monotonic() - start_s < PATIENCE_S / 2


def test_a_missing_file_is_told_at_once(server: Server, tmp_path: Path) -> None:
    server.plan = ["404"]
    with pytest.raises(NotFoundError, match="404"):
        fetch(weights(server), tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_nobody_listening(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="refused"):
        fetch(Weights("w", "http://127.0.0.1:9/w", "", "", "", SHA), tmp_path, timeout_s=1)


def test_a_mirror_folder_needs_no_network(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "weights.bin").write_bytes(BODY)
    entry = Weights("weights.bin", "http://127.0.0.1:9/", "", "", "", SHA)
    assert fetch(entry, tmp_path / "out", mirror=mirror).read_bytes() == BODY
    (mirror / "weights.bin").write_bytes(b"wrong")
    (tmp_path / "out" / "weights.bin").unlink()
    with pytest.raises(DataError, match=r"mirror.*nothing was kept"):
        fetch(entry, tmp_path / "out", mirror=mirror)
    assert names(tmp_path / "out") == []
    (mirror / "weights.bin").unlink()
    with pytest.raises(NotFoundError, match="leave out --mirror"):
        fetch(entry, tmp_path / "out", mirror=mirror)


def test_a_folder_that_cannot_be_made_is_an_output_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(weights(server), tmp_path / "file" / "below")


def test_the_catalogue_names_sources_and_licences() -> None:
    files = [entry.file for entry in CATALOGUE.values()]
    assert len(set(files)) == len(files)
    for entry in CATALOGUE.values():
        assert entry.url.startswith("https://")
        assert entry.what
        assert entry.source
        assert entry.licence
        assert entry.sha256 is None or len(entry.sha256) == 64


@pytest.mark.parametrize("name", ["nanodet-m-416-zoo", "osnet-x0.25-msmt17"])
def test_known_hashes_are_those_of_the_published_files(name: str, data: Path, tmp_path: Path) -> None:
    entry = CATALOGUE[name]
    assert fetch(entry, tmp_path, mirror=data / "models").stat().st_size > 1_000_000
