"""Where frames come from: the contract of a source, and the one string that names it."""

from pathlib import Path
from typing import Protocol

from edge.errors import NotFoundError
from edge.types import Frame, Image

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class Source(Protocol):
    """A finite or endless row of frames of one size, read by one thread.

    `size` is (width, height) in pixels, `frame_rate` the nominal frames a second, `frame_count` the expected length,
    None where nobody knows.
    """

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def frame_rate(self) -> float: ...

    @property
    def frame_count(self) -> int | None: ...

    def read(self, buffer: Image) -> Frame | None:
        """The next frame, None after the last. Its picture lies in `buffer` (uint8 `[H, W, 3]`) or in a new array.

        Raises DataError where the data is broken or ends too early.
        """

    def close(self) -> None:
        """Release what is held open; harmless when called again."""


def open_source(text: str, frame_rate: float | None = None) -> Source:
    """The source that `text` names: a video file, a folder of images or a glob pattern of images.

    `frame_rate` replaces what the source says of itself. Raises NotFoundError or DataError.
    """
    from edge.video.file import VideoFile
    from edge.video.images import ImageFiles

    path = Path(text)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES or (any(c in text for c in "*?[") and not path.exists()):
        return ImageFiles(text, frame_rate)
    if not path.exists():
        raise NotFoundError(f"{text}: expected a video file, an image folder or a glob of images, found nothing there")
    return VideoFile(path, frame_rate)
