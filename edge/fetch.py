"""Official weights by name: downloaded, or copied from a mirror folder, and kept only if they are what they should be.

A download goes to `FILE.part` and goes on there after an interruption, where the server can. Only a file that is whole
and has the right sha256 gets its name; what has the wrong one is removed.
"""

import contextlib
import hashlib
import http.client
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge.errors import DataError, NotFoundError, OutputError, UnavailableError

TIMEOUT_S = 30.0
ATTEMPTS = 3
BLOCK = 1 << 16

Report = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


@dataclass(frozen=True)
class Weights:
    """Published weights. `sha256` is None where nobody has published one: then only the length is checked."""

    file: str
    url: str
    what: str
    source: str
    licence: str
    sha256: str | None = None


_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/object_detection_nanodet/"
_DRIVE = "https://drive.google.com/uc?export=download&id="


def _nanodet(file: str, what: str) -> Weights:
    release = "https://github.com/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1/"
    return Weights(file, release + file, what, "RangiLyu/nanodet, release v1.0.0-alpha-1", "Apache-2.0")


CATALOGUE = {
    "nanodet-plus-m-320": _nanodet("nanodet-plus-m_320_checkpoint.ckpt", "NanoDet-Plus-m, 320x320, COCO"),
    "nanodet-plus-m-416": _nanodet("nanodet-plus-m_416_checkpoint.ckpt", "NanoDet-Plus-m, 416x416, COCO"),
    "nanodet-plus-m-1.5x-320": _nanodet(
        "nanodet-plus-m-1.5x_320_checkpoint.ckpt", "NanoDet-Plus-m-1.5x, 320x320, COCO"
    ),
    "nanodet-plus-m-1.5x-416": _nanodet(
        "nanodet-plus-m-1.5x_416_checkpoint.ckpt", "NanoDet-Plus-m-1.5x, 416x416, COCO"
    ),
    "nanodet-m-416-zoo": Weights(
        "object_detection_nanodet_2022nov.onnx",
        _ZOO + "object_detection_nanodet_2022nov.onnx",
        "NanoDet-m v0.x, 416x416, COCO, as ONNX",
        "opencv/opencv_zoo",
        "Apache-2.0",
        "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186",
    ),
    "osnet-x0.25-msmt17": Weights(
        "osnet_x0_25_msmt17.pth",
        _DRIVE + "1sSwXSUlj4_tHZequ_iZ8w_Jh0VaRQMqF",
        "OSNet x0.25, MSMT17",
        "torchreid's model zoo (KaiyangZhou/deep-person-reid)",
        "MIT; the data set is for research only",
        "6f57607fed9f502b9efed546108132ee715df5a5b6e6932c6269bacb47f59f99",
    ),
    "osnet-x0.25-msmt17-combineall": Weights(
        "osnet_x0_25_msmt17_combineall.pth",
        "https://huggingface.co/kaiyangzhou/osnet/resolve/main/osnet_x0_25_msmt17_combineall_256x128_amsgrad_ep150_"
        "stp60_lr0.0015_b64_fb10_softmax_labelsmooth_flip_jitter.pth",
        "OSNet x0.25, all of MSMT17",
        "torchreid's model zoo (kaiyangzhou/osnet)",
        "MIT; the data set is for research only",
        "cf55163d78fc44c62c82f85ab62d39f10438679b5abe8c698ae08cfa84aa6e18",
    ),
}


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
        if mirror is not None:
            _copy(mirror / weights.file, part)
        else:
            _download(weights.url, part, timeout_s, report)
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
    shutil.copyfile(source, part)


def _download(url: str, part: Path, timeout_s: float, report: Report) -> None:
    """Fill `part`, going on where it ends; a connection that breaks off is taken up again `ATTEMPTS` - 1 times."""
    trouble = ""
    for _ in range(ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                if _receive(answer, part, have, report):
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
    kept = f"; {part} keeps what came, fetch goes on from there" if part.exists() else ""
    raise UnavailableError(f"{url}: {trouble}, {ATTEMPTS} times{kept}; {_ELSEWHERE}")


_ELSEWHERE = "--mirror FOLDER takes the file from a folder instead"


def _receive(answer: http.client.HTTPResponse, part: Path, have: int, report: Report) -> bool:
    """Append the answer's body to `part`; whether all of it came."""
    resumed = answer.status == 206
    start = have if resumed else 0
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length is not None else None
    done = start
    with part.open("ab" if resumed else "wb") as file:
        report(done, total)
        for block in _blocks(answer):
            file.write(block)
            done += len(block)
            report(done, total)
    return total is None or done == total


def _blocks(answer: IO[bytes]) -> Iterator[bytes]:
    """What comes until the end or until the connection breaks off."""
    with contextlib.suppress(http.client.IncompleteRead):
        while block := answer.read(BLOCK):
            yield block
