"""How long a video file says that it is, by its own headers: what OpenCV tells is a number of frames that may be wrong.

OpenCV's count is that of the stored frames (of which an edit list may show a part), or duration times mean rate, where
the duration is that of the longest stream: sound that goes on after the last picture is no missing picture.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"  # Matroska and WebM
_SEGMENT = b"\x18\x53\x80\x67"


def promised_s(path: Path, count_s: float) -> float:
    """Seconds of pictures that the file must have to be whole, 0 where it does not tell.

    `count_s` is OpenCV's number of frames over its rate. Raises OSError.
    """
    if not path.is_file() or count_s <= 0:
        return 0.0
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            return count_s
        if head[:4] == _EBML:
            return count_s if _is_cut_matroska(file, path.stat().st_size) else 0.0
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            shown_s = _movie_s(file, path.stat().st_size)
            return min(count_s, shown_s) if shown_s > 0 else count_s
    return 0.0


def _is_cut_matroska(file: BinaryIO, size: int) -> bool:
    """Whether the segment, which holds everything, is longer than the file. Of unknown length is what was streamed."""
    file.seek(4)
    length, _ = _ebml_number(file)
    file.seek(length, 1)
    if file.read(4) != _SEGMENT:
        return False
    length, unknown = _ebml_number(file)
    return not unknown and file.tell() + length > size


def _ebml_number(file: BinaryIO) -> tuple[int, bool]:
    """A number of variable length (RFC 8794, section 4), and whether it is the one for "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return 0, True
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - width)) - 1)]) + file.read(width - 1), "big")
    return value, value == (1 << (7 * width)) - 1


def _movie_s(file: BinaryIO, size: int) -> float:
    """The duration in the movie header (ISO 14496-12, `mvhd`), edit lists included; 0 where there is none."""
    for kind, start, end in _boxes(file, 0, size):
        if kind == b"moov":
            for inner, begin, _ in _boxes(file, start, end):
                if inner == b"mvhd":
                    file.seek(begin)
                    header = file.read(32)
                    wide = header[:1] == b"\x01"
                    scale, duration = (header[20:24], header[24:32]) if wide else (header[12:16], header[16:20])
                    ticks = int.from_bytes(scale, "big")
                    return int.from_bytes(duration, "big") / ticks if ticks else 0.0
    return 0.0


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of the boxes between two places of the file."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, content = int.from_bytes(head[:4], "big"), start + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), start + 16
        elif length == 0:
            length = end - start
        if len(head) < 8 or length < content - start:
            return
        yield head[4:8], content, min(start + length, end)
        start += length
