"""What the address of a source tells by itself, without a look at any file, device or network."""

import difflib
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from edge.console.outgoing import redacted
from edge.errors import UsageError

Kind = Literal["csi", "demo", "device", "network", "path", "stdin"]

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_NETWORK = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp")

_NO_DEVICES = ("/dev/fd/", "/dev/shm/")  # what shells make of <(...), and files in memory


def scheme_of(address: str) -> str:
    """What stands before "://", in small letters; "" where there is none."""
    scheme, separator, _ = address.partition("://")
    return scheme.lower() if separator else ""


def normal(address: str) -> str:
    """The address with its scheme in small letters, as FFmpeg wants it."""
    scheme = scheme_of(address)
    return scheme + address[len(scheme) :] if scheme in (*_NETWORK, "csi", "demo") else address


def require_known_scheme(address: str) -> None:
    """Raise UsageError for an address with a scheme that no source has, as "rstp://camera/1"."""
    scheme, known = scheme_of(address), (*_NETWORK, "csi", "demo")
    if scheme and scheme not in known:
        near = difflib.get_close_matches(scheme, known, n=1)
        advice = f"did you mean {near[0]}://?" if near else f"expected one of {', '.join(known)}, or a path"
        raise UsageError(f"{redacted(address)}: unknown scheme {scheme}://; {advice}")


def kind_of(address: str) -> Kind:
    """What the address names: a path where it has no scheme that is known, and is neither `-` nor a camera's."""
    scheme = scheme_of(address)
    if scheme in _NETWORK:
        return "network"
    if scheme == "csi":
        return "csi"
    if scheme == "demo":
        return "demo"
    if address in ("-", "/dev/stdin"):
        return "stdin"
    if address.isdecimal() or (address.startswith("/dev/") and not address.startswith(_NO_DEVICES)):
        return "device"
    return "path"


def is_camera(address: str) -> bool:
    """Whether pictures come live and without an end; the others are recordings, of which no picture is left out."""
    return kind_of(address) in ("csi", "device", "network")


def without_login(address: str) -> tuple[str, str | None, str | None]:
    """The address without user and password, and both of them, decoded; None where it has none."""
    parts = urlsplit(address)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return bare, user, password
