"""Frames from image files: a folder or a glob pattern, in natural order."""

import glob
import logging
import re
from pathlib import Path

from edge.console.native import native_messages
from edge.errors import DataError, NotFoundError
from edge.files import open_file
from edge.motchallenge import read_seqinfo
from edge.types import Frame, Image
from edge.video import header
from edge.video.address import IMAGE_SUFFIXES
from edge.video.opencv import cv2

logger = logging.getLogger(__name__)

_FALLBACK_RATE = 30.0
_HEADER_BYTES = 1 << 26  # what may stand before the size: thumbnails, a colour profile; in a TIFF all pixels


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts `frame2` before `frame10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", str(path))]


class ImageFiles:
    """The images of folder or glob pattern `text` as a source of one frame each; see `Source`.

    A folder in MOTChallenge layout has its frame rate from `seqinfo.ini` beside it, others 30 frames a second.
    Raises NotFoundError where there is no image, DataError where the first is none.
    """

    is_live = False

    def __init__(self, text: str, frame_rate: float | None = None):
        self.paths = _images(text)
        seqinfo = self.paths[0].parent.parent / "seqinfo.ini"
        if frame_rate is None and seqinfo.is_file():
            frame_rate = read_seqinfo(seqinfo).frame_rate
        self.frame_rate = frame_rate or _FALLBACK_RATE
        self.frame_count = len(self.paths)
        height, width, _ = read_image(self.paths[0]).shape
        self.size = (width, height)
        self._number = 0

    def read(self, buffer: Image | None) -> Frame | None:
        """The next image in an array of its own; None after the last. See `Source.read`."""
        if self._number == len(self.paths):
            return None
        path = self.paths[self._number]
        image = read_image(path)
        if image.shape[1::-1] != self.size:
            width, height = self.size
            raise DataError(
                f"{path}: expected {width}x{height} as in {self.paths[0].name}, found"
                f" {image.shape[1]}x{image.shape[0]}; track images of different sizes one by one"
            )
        self._number += 1
        return Frame(image, self._number, (self._number - 1) / self.frame_rate)

    def close(self) -> None:
        """Nothing is held open."""


def _images(text: str) -> list[Path]:
    folder = Path(text)
    if folder.is_dir():
        found = list(folder.iterdir())
    elif folder.is_file():
        found = [folder]
    else:
        found = [Path(name) for name in glob.glob(text)]
    paths = sorted((p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()), key=natural_key)
    if not paths:
        raise NotFoundError(
            f"{text}: expected images ({', '.join(sorted(IMAGE_SUFFIXES))}), found none among {len(found)} files"
        )
    return paths


def read_image(path: Path) -> Image:
    """The picture in an image file, BGR. Raises NotFoundError, or DataError for a file that is none or too large."""
    try:
        with open_file(path) as file:
            is_picture = header.is_bearable(file.read(_HEADER_BYTES))
            with native_messages() as messages:
                image = _decoded(file.fileno()) if is_picture else None
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    said = f" ({'; '.join(dict.fromkeys(messages))})" if messages else ""
    if image is None:
        raise DataError(
            f"{path}: expected an image, found a file that cannot be decoded{said}; copy it again or remove it"
        )
    if messages:
        logger.info("%s: the image is damaged or unusual%s", path, said)
    return image


def _decoded(descriptor: int) -> Image | None:
    """The picture in an open file. OpenCV gets no name of the user's: it crashes on one that is no UTF-8."""
    try:
        return cv2.imread(f"/proc/self/fd/{descriptor}", cv2.IMREAD_COLOR)
    except cv2.error:  # a header that announces the impossible
        return None
