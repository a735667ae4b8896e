"""Official weights by name: downloaded, or copied from a mirror folder, and kept only if they are what they should be.

A download goes to `FILE.part` and goes on there after an interruption, where the server can. Only a file that is whole
and has the right sha256 gets its name; what has the wrong one is removed. Where nobody published a sha256, a file must
have the length that the server announced and be a whole file of its kind, and a download goes on only while the server
says that its file is still the same.
"""

import hashlib
import http.client
import os
import shutil
import ssl
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edge.errors import DataError, NotFoundError, OutputError, UnavailableError
from edge.weights.catalogue import Weights

TIMEOUT_S = 30.0
ATTEMPTS = 3
BLOCK = 1 << 16

Report = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


_ZIPPED = {".pth", ".ckpt", ".pt"}  # as PyTorch writes them since 1.6; the end of a zip archive is its directory


def fetch(
    weights: Weights,
    folder: Path,
    *,
    mirror: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    report: Report = lambda done, total: None,
) -> Path:
    """The file of `weights` in `folder`, which is made; a file that is there already is only checked.

    With `mirror` the file is copied from that folder and the network is not used. Raises DataError for content with
    the wrong sha256, NotFoundError where there is no such file, UnavailableError where the server does not answer,
    OutputError where `folder` cannot be written.
    """
    path = folder / weights.file
    part = path.with_name(path.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check(path, weights, f"{path}: move it away and fetch it again")
            return path
        if weights.sha256 is None:
            part.unlink(missing_ok=True)  # nothing could tell whether it is the beginning of today's file
        if mirror is not None:
            _copy(mirror / weights.file, part)
        else:
            _download(weights, part, timeout_s, report)
        origin = weights.url if mirror is None else mirror / weights.file
        try:
            _check(part, weights, f"{origin}: nothing was kept")
        except DataError:
            part.unlink()
            raise
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{error.filename or path}: cannot be written ({error.strerror or error})") from error
    return path


def _check(path: Path, weights: Weights, blame: str) -> None:
    if weights.sha256 is None:
        if path.suffixes[0] in _ZIPPED and not zipfile.is_zipfile(path):
            raise DataError(
                f"{weights.file}: expected a PyTorch checkpoint (a zip archive), found none or half of one in {blame}, "
                "or use --mirror with a folder that holds the right file"
            )
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != weights.sha256:
        found = digest.hexdigest()
        raise DataError(
            f"{weights.file}: expected sha256 {weights.sha256[:12]}…, found {found[:12]}… in {blame}, or use --mirror "
            "with a folder that holds the right file"
        )


def _copy(source: Path, part: Path) -> None:
    if not source.is_file():
        raise NotFoundError(f"{source}: expected the weights there, found no such file; leave out --mirror to download")
    with source.open("rb") as original, _open_part(part, go_on=False) as copy:
        shutil.copyfileobj(original, copy, BLOCK)


def _open_part(part: Path, go_on: bool) -> IO[bytes]:
    """`part` for writing, at its end or anew. Raises OSError for a link or anything else that is no plain file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(part, flags | (os.O_APPEND if go_on else 0), 0o666)
    file = os.fdopen(handle, "ab" if go_on else "wb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise OSError(0, "it is no plain file; remove it", str(part))
    if not go_on:
        file.truncate()
    return file


class _NeverDowngraded(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """See the base class. Raises URLError."""
        if req.full_url.startswith("https:") and not newurl.lower().startswith("https:"):
            raise urllib.error.URLError(f"the server sends us on to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(weights: Weights, part: Path, timeout_s: float, report: Report) -> None:
    """Fill `part`, going on where it ends; a connection that breaks off is taken up again `ATTEMPTS` - 1 times."""
    url, trouble = weights.url, ""
    opener = urllib.request.build_opener(_NeverDowngraded)
    same: str | None = None  # the server's mark of the version that `part` is of
    for _ in range(ATTEMPTS):
        have = part.stat().st_size if os.path.lexists(part) and (weights.sha256 or same) else 0
        request = urllib.request.Request(url, headers=_range(have, same))
        try:
            with opener.open(request, timeout=timeout_s) as answer:
                _refuse_pages(answer, url)
                same = same or _mark(answer)
                if _receive(answer, part, have, report, needs_length=weights.sha256 is None):
                    return
            trouble = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code == 416:  # what is there is no beginning of the file: start again
                part.unlink()
                trouble = "the file on the server has changed"
                continue
            if error.code < 500:
                raise NotFoundError(f"{url}: the server answered {error.code} {error.reason}; {_ELSEWHERE}") from error
            trouble = f"the server answered {error.code} {error.reason}"
        except urllib.error.URLError as error:
            trouble = str(error.reason)
        except TimeoutError:
            trouble = f"no answer within {timeout_s:g} s"
        except (http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            trouble = f"the connection broke off ({type(error).__name__})"
    if weights.sha256 is None:
        part.unlink(missing_ok=True)
    kept = f"; {part} keeps what came, fetch goes on from there" if part.exists() else ""
    raise UnavailableError(f"{url}: {trouble}, {ATTEMPTS} times{kept}; {_ELSEWHERE}")


def _range(have: int, same: str | None) -> dict[str, str]:
    """The headers that ask for what follows the first `have` bytes, of version `same` where that is known."""
    if not have:
        return {}
    return {"Range": f"bytes={have}-"} | ({"If-Range": same} if same else {})


def _mark(answer: http.client.HTTPResponse) -> str | None:
    """The server's mark of a version of its file, None where it has none that counts (RFC 9110, 13.1.5)."""
    tag: str | None = answer.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else None


def _refuse_pages(answer: http.client.HTTPResponse, url: str) -> None:
    """Raises DataError for a page in place of a file: a notice of a limit, a question, a login."""
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise DataError(
            f"{url}: expected a file, found a web page (a notice or a login); open it in a browser and save the file, "
            f"then {_ELSEWHERE}"
        )


_ELSEWHERE = "--mirror FOLDER takes the file from a folder instead"


def _receive(
    answer: http.client.HTTPResponse, part: Path, have: int, report: Report, needs_length: bool = False
) -> bool:
    """Append the answer's body to `part`; whether all of it came.

    With `needs_length` a body whose end cannot be told from a broken connection counts as broken.
    """
    resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    if answer.status == 206 and not resumed:
        part.unlink(missing_ok=True)  # another piece than the one asked for: begin again
        return False
    start = have if resumed else 0
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length is not None else None
    has_end = total is not None or answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    done = start
    with _open_part(part, go_on=resumed) as file:
        report(done, total)
        for block in _blocks(answer):
            if block is None:
                return False
            file.write(block)
            done += len(block)
            report(done, total)
    return (has_end or not needs_length) and (total is None or done == total)


def _blocks(answer: IO[bytes]) -> Iterator[bytes | None]:
    """What comes until the end; None where the connection breaks off before it."""
    try:
        while block := answer.read(BLOCK):
            yield block
    except http.client.IncompleteRead as error:
        yield error.partial
        yield None
