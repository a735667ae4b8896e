"""Where frames come from: the contract of a source, and the one string that names it."""

from pathlib import Path
from typing import Protocol

from edge.errors import UsageError
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
    """The source that `text` names: a video file, a folder or glob pattern of images, or `demo://`.

    `frame_rate` replaces what the source says of itself. Raises NotFoundError, DataError or UsageError.
    """
    if text.startswith("demo://"):
        from edge.video.demo import DemoScene

        if frame_rate is not None:
            raise UsageError(f"{text}: the built-in scene has its frame rate in its address: add fps={frame_rate:g}")
        return DemoScene(text)
    path = Path(text)
    is_pattern = any(c in text for c in "*?[") and not path.exists()
    if path.is_dir() or is_pattern or path.suffix.lower() in IMAGE_SUFFIXES:
        from edge.video.images import ImageFiles

        return ImageFiles(text, frame_rate)
    from edge.video.file import VideoFile

    return VideoFile(path, frame_rate)
