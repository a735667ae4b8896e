"""The pictures a network is calibrated on: found, chosen for variety, hashed, and cut in two halves.

All pictures come through `edge.video`, the runtime's own readers. The choice is deterministic: of at most
`CONSIDERED` evenly spaced pictures, each next one is that which differs most from all before (farthest-point
sampling, Gonzalez 1985), judged on thumbnails.
"""

import glob
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.console.outgoing import redacted
from edge.errors import DataError, NotFoundError
from edge.types import Image
from edge.video.address import IMAGE_SUFFIXES, kind_of
from edge.video.images import natural_key
from edge.video.open import open_source

FEWEST = 16  # below that, ranges are those of single pictures
CONSIDERED = 512
THUMBNAIL = 24  # pixels at each side
# Mean difference between thumbnails of two files up to which one can follow the other in a video: neighbours of
# mot17_mini differ by at most 8, those of coco128 by at least 34.
SAME_SCENE = 20.0
ALIKE = 2.0  # grey levels of mean difference between thumbnails under which two pictures are the same to a network


_Thumbnail = npt.NDArray[np.float32]
_Seen = tuple[_Thumbnail, bytes]  # and the digest of the pixels


class Pair(NamedTuple):
    """A picture and the one before it in its video, or in its folder where both show one scene; None without one."""

    picture: Image
    before: Image | None


@dataclass(frozen=True)
class Frames:
    """Chosen pictures by number within their sources, in the order of choice.

    `sha256` is over the hashes of their pixels; `distinct` is how many differ from all others chosen before them.
    """

    sources: tuple[str, ...]
    chosen: tuple[int, ...]
    sha256: str
    distinct: int

    def pictures(self) -> Iterator[Image]:
        """The chosen pictures, in the order of the sources."""
        return _numbered(self.sources, self.chosen)

    def pairs(self) -> Iterator[Pair]:
        """The chosen pictures, in the order of the sources, each with the one before it."""
        return _paired(self.sources, self.chosen)


def find(count: int, *texts: str, in_pairs: bool = False) -> Frames:
    """At most `count` varied pictures from all of `texts`: videos, folders with images (also in sub-folders), glob
    patterns, text files with one path a line, or `demo://` addresses with an end.

    `in_pairs` prefers pictures that follow another one, which `sha256` then covers as well; where fewer than `FEWEST`
    do, all are taken.
    Raises NotFoundError where there is nothing, DataError for fewer than `FEWEST` pictures or only one scene.
    """
    sources = [source for text in texts for source in _sources(text)]
    total = sum(map(_length, sources))
    considered = sorted({int(i) for i in np.linspace(0, total - 1, min(total, CONSIDERED)).round()}) if total else []
    if in_pairs:
        considered, seen = _seen_in_pairs(sources, considered)
    else:
        seen = [(_thumbnail(picture), _digest(picture)) for picture in _numbered(sources, considered)]
    named = " ".join(texts)
    if len(seen) < FEWEST:
        raise DataError(
            f"--calibrate {named}: expected at least {FEWEST} pictures, found {len(seen)};"
            " name a folder or video with more, a few hundred are best (is the path or pattern right?)"
        )
    order, distances = _farthest_first(np.stack([thumbnail for thumbnail, _ in seen]), count)
    distinct = 1 + int(np.sum(distances[1:] > ALIKE))
    if distinct == 1:
        raise DataError(
            f"--calibrate {named}: expected varied pictures, found {len(seen)} that are all alike; calibrate on"
            " what the camera will see over a day"
        )
    order = sorted(order)
    digest = hashlib.sha256(b"".join(seen[i][1] for i in order)).hexdigest()
    return Frames(tuple(sources), tuple(considered[i] for i in order), digest, distinct)


def halves(count: int) -> tuple[list[int], list[int]]:
    """Numbers 0..count-1 dealt in turns: those to calibrate with, those held out to judge by."""
    return list(range(0, count, 2)), list(range(1, count, 2))


def _sources(text: str) -> list[str]:
    path, kind = Path(text), kind_of(text)
    if kind == "demo":
        return [text]
    if kind != "path":
        raise DataError(
            f"--calibrate {redacted(text)}: expected pictures that can be read again and again, found a camera or a"
            " pipe; record a video of a few minutes first, at several times of the day"
        )
    if path.suffix == ".txt":
        try:
            lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
        except OSError as error:
            raise NotFoundError(f"--calibrate {text}: cannot be read ({error.strerror})") from error
        return [str(path.parent / line) for line in lines]  # an absolute path stays what it is
    is_pattern = _is_pattern(text) and not path.exists()
    if not path.is_dir() and not is_pattern:
        return [text]
    every: Iterable[Path] = map(Path, glob.iglob(text, recursive=True)) if is_pattern else path.rglob("*")
    found = [p for p in every if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    if not found:
        raise NotFoundError(f"--calibrate {text}: expected images ({', '.join(sorted(IMAGE_SUFFIXES))}), found none")
    return list(map(str, sorted(found, key=natural_key)))


def _length(source: str) -> int:
    """How many pictures there are. A video's own word is not taken for it: many say more than they have."""
    if _is_image(source):
        return 1
    if source.startswith("demo://"):
        count = open_source(source).frame_count
        if count is None:
            raise DataError(f"--calibrate {source}: expected a scene with an end, found none; add frames=64")
        return count
    return sum(1 for _ in _pictures([source]))


def _is_image(source: str) -> bool:
    return Path(source).suffix.lower() in IMAGE_SUFFIXES and not _is_pattern(source)


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[")


def _pictures(sources: Iterable[str]) -> Iterator[Image]:
    """Every picture of `sources`, one after the other; the array may be reused."""
    for text in sources:
        source = open_source(text)
        try:
            buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
            while (frame := source.read(buffer)) is not None:
                yield frame.image
        finally:
            source.close()


def _numbered(sources: Sequence[str], numbers: Sequence[int]) -> Iterator[Image]:
    """The pictures of these ascending numbers."""
    if all(map(_is_image, sources)):
        yield from _pictures(sources[i] for i in numbers)
        return
    wanted = set(numbers)
    for number, picture in enumerate(_pictures(sources)):
        if number in wanted:
            yield picture


def _paired(sources: Sequence[str], numbers: Sequence[int]) -> Iterator[Pair]:
    """The pictures of these ascending numbers with those before them; the arrays may be reused."""
    wanted, number = set(numbers), 0
    before: Image | None = None
    folder: Path | None = None
    for text in sources:
        alone = _is_image(text)
        if not alone or Path(text).parent != folder:
            before = None
        folder = Path(text).parent if alone else None
        if alone and wanted.isdisjoint((number, number + 1)):
            number, before = number + 1, None
            continue
        for picture in _pictures([text]):
            if number in wanted:
                yield Pair(picture, before if before is None or not alone or _follows(picture, before) else None)
            before = picture.copy() if number + 1 in wanted else None
            number += 1


def _follows(picture: Image, before: Image) -> bool:
    """Whether two files can be pictures of one video, a moment apart."""
    return picture.shape == before.shape and _mean_difference(_thumbnail(picture), _thumbnail(before)) <= SAME_SCENE


def _seen_in_pairs(sources: Sequence[str], numbers: Sequence[int]) -> tuple[list[int], list[_Seen]]:
    """Of the pictures that follow another, or of all where those are too few: numbers, thumbnails and digests."""
    following: list[bool] = []
    seen: list[_Seen] = []
    for picture, before in _paired(sources, numbers):
        following.append(before is not None)
        seen.append((_thumbnail(picture), _digest(picture) + (_digest(before) if before is not None else b"")))
    kept = [i for i, follows in enumerate(following) if follows]
    kept = kept if len(kept) >= FEWEST else list(range(len(seen)))
    return [numbers[i] for i in kept], [seen[i] for i in kept]


def _thumbnail(picture: Image) -> _Thumbnail:
    return cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def _mean_difference(a: _Thumbnail, b: _Thumbnail) -> float:
    return float(np.abs(a - b).mean())


def _digest(picture: Image) -> bytes:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()


def _farthest_first(thumbnails: npt.NDArray[np.float32], count: int) -> tuple[list[int], npt.NDArray[np.float64]]:
    """Rows in order of choice, and how far each was from those before it (mean grey levels)."""
    order, far = [0], [0.0]
    nearest = np.abs(thumbnails - thumbnails[0]).mean(1).astype(np.float64)
    nearest[0] = -1.0
    while len(order) < min(count, len(thumbnails)):
        pick = int(np.argmax(nearest))
        order.append(pick)
        far.append(float(nearest[pick]))
        nearest = np.minimum(nearest, np.abs(thumbnails - thumbnails[pick]).mean(1))
        nearest[order] = -1.0
    return order, np.array(far)
