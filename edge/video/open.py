"""One string names a source: `open_source` opens it, whatever it is."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.errors import NotFoundError, UsageError
from edge.video.address import IMAGE_SUFFIXES, kind_of, normal, require_known_scheme
from edge.video.options import Options, require_fit
from edge.video.source import Source

AS_IT_COMES = Options()
SILENCE_S = 5.0  # how long a camera may send nothing


def open_source(
    address: str,
    frame_rate: float | None = None,
    *,
    credentials: str | None = None,
    silence_s: float = SILENCE_S,
    clock: Callable[[], float] = time.monotonic,
    options: Options = AS_IT_COMES,
) -> Source:
    """The source that `address` names.

    A video file, a folder or glob pattern of images, `-` (a video piped into standard input), `demo://` (the built-in
    scene), a camera as `/dev/video0`, `0` or `csi://0`, or a stream: `rtsp` `rtsps` `http` `https` `rtmp` `udp` `tcp`
    `srt`, followed by `://`. `frame_rate` replaces what the source says of itself, and the times of a recording.
    `credentials` names user and password of a stream, see `edge.settings.credentials`; `silence_s` is how long opening
    and reading wait for a camera; `clock` gives the times of live frames; `options` are what is asked of it besides,
    such as `Options(rtsp_transport="udp")`.

    Raises NotFoundError where nothing is there or nothing answers, with the reason; DataError for what is no video;
    UsageError for an address with mistakes; UnavailableError where something is missing here.
    """
    try:
        address.encode()
    except UnicodeEncodeError:
        raise NotFoundError(f"{address!r}: cannot be opened: its name is no UTF-8; rename it") from None
    address, kind = normal(address), kind_of(address)
    require_fit(address, options)
    if kind == "demo":
        from edge.video.demo import DemoScene

        if frame_rate is not None:
            raise UsageError(f"{address}: the built-in scene has its frame rate in its address: add fps={frame_rate:g}")
        return DemoScene(address)
    if kind == "network":
        from edge.video.network import open_network

        return open_network(address, frame_rate, credentials, silence_s, clock, options)
    if kind in ("csi", "device"):
        from edge.video.camera import open_camera

        return open_camera(address, frame_rate, silence_s, clock, options)
    if kind == "stdin":
        from edge.video.pipe import open_stdin

        return open_stdin(frame_rate)
    if not Path(address).exists():
        require_known_scheme(address)
    if is_images(address):
        from edge.video.images import ImageFiles

        return ImageFiles(address, frame_rate)
    if Path(address).is_fifo():
        from edge.video.pipe import open_fifo

        return open_fifo(Path(address), frame_rate)
    from edge.video.file import VideoFile

    return VideoFile(address, frame_rate)


def is_images(address: str) -> bool:
    """Whether it names a folder, a glob pattern or a file of images. Looks into the file system."""
    path = Path(address)
    if kind_of(address) != "path":
        return False
    is_pattern = any(c in address for c in "*?[") and not path.exists()
    return path.is_dir() or is_pattern or path.suffix.lower() in IMAGE_SUFFIXES
