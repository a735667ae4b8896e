"""What may be asked of a source beside its address, and of which kind of source."""

from dataclasses import dataclass, fields
from typing import Literal

from edge.errors import UsageError
from edge.video.address import kind_of, scheme_of

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True)
class Options:
    """What is asked of a source; None: as it comes.

    `rtsp_transport` is how the packets of an RTSP stream travel, without it TCP before UDP. `every_s` is the time from
    one picture to the next of a camera that sends one JPEG a request over HTTP. `size` (width, height) and
    `pixel_format` (four characters as V4L2 has them, such as "MJPG" or "YUYV") are the mode of a V4L2 device.
    """

    rtsp_transport: Transport | None = None
    every_s: float | None = None
    size: tuple[int, int] | None = None
    pixel_format: str | None = None


def mismatch(address: str, options: Options) -> tuple[str, str] | None:
    """The first option that the kind of source at `address` does not have, and the kind that has it."""
    scheme, is_device = scheme_of(address), kind_of(address) == "device"
    fitting = {
        "rtsp_transport": (scheme == "rtsp", "rtsp://"),
        "every_s": (scheme in ("http", "https"), "http:// or https://"),
        "size": (is_device, "a V4L2 device, such as /dev/video0"),
        "pixel_format": (is_device, "a V4L2 device, such as /dev/video0"),
    }
    for field in fields(options):
        fits, kind = fitting[field.name]
        if getattr(options, field.name) is not None and not fits:
            return field.name, kind
    return None


def require_fit(address: str, options: Options) -> None:
    """Raise UsageError for an option that the source at `address` does not have."""
    found = mismatch(address, options)
    if found is not None:
        name, kind = found
        raise UsageError(f"{address}: {name} is for {kind}; leave it out")
