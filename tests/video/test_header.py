"""A picture's announced size is known before it is decoded, and one of a gigapixel is not decoded at all."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError, NotFoundError
from edge.video import header
from edge.video.images import read_image
from tests import limits

PICTURE = np.random.default_rng(0).integers(0, 255, (37, 53, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_the_announced_size_is_that_of_the_decoded_picture(suffix: str) -> None:
    assert header.announced(cv2.imencode(suffix, PICTURE)[1].tobytes()) == (53, 37)


def test_lossless_webp_too() -> None:
    content = cv2.imencode(".webp", PICTURE, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert header.announced(content) == (53, 37)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_a_header_cut_anywhere_is_no_error(suffix: str) -> None:
    content = cv2.imencode(suffix, PICTURE)[1].tobytes()
    for length in range(64):
        assert header.announced(content[:length]) in (None, (53, 37))


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(9)
    row = bytes(1 + width) * 64
    data = b"".join(rows.compress(row) for _ in range(height // 64)) + rows.flush()
    about = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + about + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_gigapixel_in_a_megabyte_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png(32704, 32768))
    assert path.stat().st_size < 2_000_000
    call = f"edge.video.images.read_image(__import__('pathlib').Path({str(path)!r}))"
    assert "says it has 32704x32768; make it smaller" in limits.outcome("edge.video.images", call, most_megabytes=100)


def test_bytes_that_are_no_marker_do_not_hide_the_size_of_a_jpeg(tmp_path: Path) -> None:
    content = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    dirty = content[:2] + b"dirt\xff\x00\xff" + content[2:]
    assert header.announced(dirty) == (53, 37)
    place = content.index(b"\xff\xc0")
    vast = content[:place] + b"dirt" + content[place : place + 5] + b"\xff\xdc\xff\xdc" + content[place + 9 :]
    path = tmp_path / "vast.jpg"
    path.write_bytes(vast)
    with pytest.raises(DataError, match="says it has 65500x65500"):
        read_image(path)


def test_a_chunk_that_is_longer_than_its_file_takes_no_memory(tmp_path: Path) -> None:
    content = cv2.imencode(".png", PICTURE)[1].tobytes()
    place = content.index(b"IDAT") - 4
    path = tmp_path / "a.png"
    path.write_bytes(content[:place] + b"\xff\x7f\x09\x23" + content[place + 4 :])
    call = f"edge.video.images.read_image(__import__('pathlib').Path({str(path)!r}))"
    assert "cannot be decoded" in limits.outcome("edge.video.images", call, most_megabytes=100)


def test_a_picture_of_unknown_size_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "portable.png"
    path.write_bytes(b"P6 60000 60000 255\n" + bytes(1000))
    with pytest.raises(DataError, match="cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_name_that_is_no_utf_8_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe" + suffix.encode()))
    path.write_bytes(cv2.imencode(suffix, PICTURE)[1].tobytes())
    assert read_image(path).shape == PICTURE.shape


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(NotFoundError, match="found a named pipe"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\xff\xd8\xff"])
def test_what_is_no_picture_is_told_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match="expected an image"):
        read_image(tmp_path / "a.png")
