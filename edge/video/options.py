"""What may be asked of a source beside its address, and of which kind of source."""

from dataclasses import dataclass
from typing import Literal

from edge.console.outgoing import redacted
from edge.errors import UsageError
from edge.video.address import kind_of, scheme_of

Transport = Literal["tcp", "udp"]
Reduction = Literal[2, 4, 8]  # what JPEG can do: its pictures are made of blocks of 8x8 pixels


@dataclass(frozen=True)
class Options:
    """What is asked of a source; None: as it comes.

    `rtsp_transport` is how the packets of an RTSP stream travel, without it TCP before UDP. `every_s` is the time from
    one picture to the next of a camera that sends one JPEG a request over HTTP. `size` (width, height) and
    `pixel_format` (four characters as V4L2 has them, such as "MJPG" or "YUYV") are the mode of a V4L2 device.
    `decoder` is FFmpeg's decoder for a stream by name, such as "h264_v4l2m2m", the hardware of some boards; where it
    does not work, FFmpeg's own choice decodes. `reduce`: JPEGs over HTTP are decoded at one in so many of their width
    and height.
    """

    rtsp_transport: Transport | None = None
    every_s: float | None = None
    size: tuple[int, int] | None = None
    pixel_format: str | None = None
    decoder: str | None = None
    reduce: Reduction | None = None


def require_fit(address: str, options: Options) -> None:
    """Raise UsageError for an option that the kind of source at `address` does not have."""
    scheme, is_device = scheme_of(address), kind_of(address) == "device"
    fitting = {
        "rtsp_transport": (scheme == "rtsp", "rtsp://"),
        "decoder": (kind_of(address) == "network" and scheme not in ("http", "https"), "a stream, such as rtsp://"),
        "reduce": (scheme in ("http", "https"), "http:// or https://"),
        "every_s": (scheme in ("http", "https"), "http:// or https://"),
        "size": (is_device, "a V4L2 device, such as /dev/video0"),
        "pixel_format": (is_device, "a V4L2 device, such as /dev/video0"),
    }
    for name, (fits, kind) in fitting.items():
        if getattr(options, name) is not None and not fits:
            raise UsageError(f"{name}: expected with {kind}, found {redacted(address)}; leave it out")
