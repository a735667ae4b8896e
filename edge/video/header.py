"""How large a picture says that it is, before a byte of it is decoded: a file of kilobytes can announce a gigapixel.

Written from the formats: PNG (IHDR), JPEG (frame headers), BMP, WebP (VP8, VP8L, VP8X) and TIFF (tags 256 and 257).
"""

import struct

from edge.errors import DataError

MOST_PIXELS = 1 << 26  # 67 million, more than 8K video and 60-megapixel cameras have; half a gigabyte while decoded

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers with a size behind them
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length; 0 is none


def is_bearable(content: bytes) -> bool:
    """Whether the content is that of a picture of which the size is known. One of unknown size is not worth a try.

    Raises DataError (without the file's name) for a picture that announces more than `MOST_PIXELS`.
    """
    size = announced(content)
    if size is None:
        return False
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(
            f"expected a picture of at most {MOST_PIXELS / 1e6:.0f} million pixels, found one that says it has"
            f" {size[0]}x{size[1]}; make it smaller"
        )
    return True


def announced(content: bytes) -> tuple[int, int] | None:
    """Width and height that the header of an image file announces; None for another format or a broken header."""
    readers = {b"\x89PNG": _png, b"\xff\xd8": _jpeg, b"BM": _bmp, b"RIFF": _webp, b"II*\0": _tiff, b"MM\0*": _tiff}
    for start, read in readers.items():
        if content.startswith(start):
            try:
                return read(content)
            except (struct.error, IndexError, ValueError):
                return None
    return None


def _png(content: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from(">II", content, 16)
    place = 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        if length > len(content):  # OpenCV makes room for a chunk before it reads it
            return None
        place += 12 + length
    return width, height


def _jpeg(content: bytes) -> tuple[int, int]:
    place = 2
    while True:
        place = content.index(b"\xff", place)  # decoders skip what is no marker, so it must not hide the size
        marker = content[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + struct.unpack_from(">H", content, place + 2)[0]


def _bmp(content: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", content, 18)
    return abs(width), abs(height)  # rows may run downwards, which a negative height says


def _webp(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _tiff(content: bytes) -> tuple[int, int] | None:
    order = "<" if content.startswith(b"II") else ">"
    (place,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, place)
    found = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag in (256, 257):
            (found[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", content, entry + 8)
    return (found[256], found[257]) if len(found) == 2 else None
