"""Checkpoints made to eat memory or time, to hang or to smuggle something in: refused in a sentence, or harmless."""

import contextlib
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError, NotFoundError
from export import checkpoint
from tests import limits
from tests.export import torchfile as tf

CONTENT = bytes(24)
GOOD = tf.mapping({"a.weight": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))})
HUGE = b"\x80\x05\x96" + struct.pack("<Q", 5 << 30)  # BYTEARRAY8: room for five gigabytes


def _zip(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", entries.pop("byteorder", b"little"))
        archive.writestr("archive/data/0", entries.pop("storage", CONTENT))
    return path


def _zeros(archive: zipfile.ZipFile, name: str, size: int) -> None:
    with archive.open(name, "w", force_zip64=True) as entry:
        for _ in range(size >> 24):
            entry.write(bytes(1 << 24))


def _nested(depth: int) -> bytes:
    """A tuple of two of itself, of two of itself ...: small in memory, endless to hash or to print."""
    return b"K\x01\x85" + depth * b"2\x86"


def _long(value_bytes: int) -> bytes:
    return b"\x8b" + struct.pack("<i", value_bytes) + b"\xff" * (value_bytes - 1) + b"\x7f"


def _told(path: Path, most_megabytes: float = 100) -> str:
    call = f"export.checkpoint.read(__import__('pathlib').Path({str(path)!r}))"
    return limits.outcome("export.checkpoint", call, most_megabytes=most_megabytes)


@pytest.mark.parametrize("where", ["alone", "in the archive", "in the stream"])
def test_an_announced_byte_array_takes_no_memory(tmp_path: Path, where: str) -> None:
    path = tmp_path / "c.pth"
    if where == "alone":
        path.write_bytes(HUGE)
        assert path.stat().st_size == 11
    elif where == "in the archive":
        _zip(path, HUGE)
    else:
        head = [pickle.dumps(value, 2) for value in (tf.MAGIC, tf.VERSION, {"little_endian": True})]
        path.write_bytes(b"".join(head) + HUGE)
    assert _told(path).startswith("refused")


@pytest.mark.parametrize("opcode", [b"B", b"X", b"T", b"\x8b"])
def test_announced_texts_and_numbers_take_no_memory(tmp_path: Path, opcode: bytes) -> None:
    path = _zip(tmp_path / "c.pth", b"\x80\x02" + opcode + struct.pack("<i", 2**31 - 1))
    assert "truncated or damaged" in _told(path)


def test_tensors_that_repeat_one_number_are_bounded_by_the_file(tmp_path: Path) -> None:
    body = tf.mapping({f"w{i}": tf.tensor("DoubleStorage", "0", 3, 0, (1 << 14, 1 << 14), (0, 0)) for i in range(4)})
    assert "in a file of" in _told(_zip(tmp_path / "c.pth", tf.pickled(body)))


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["data/0", "byteorder"])
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, entry: str) -> None:
    elements = (5 << 30) // 4
    number = b"\x8a\x05" + elements.to_bytes(5, "little")
    body = tf.mapping({"a": tf.tensor("FloatStorage", "0", 0, 0, (1,), (1,))}).replace(
        tf.number(0) + b"tQ", number + b"tQ"
    )
    with zipfile.ZipFile(tmp_path / "c.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), tf.pickled(body if entry == "data/0" else GOOD))
        _zeros(archive, f"archive/{entry}", 5 << 30)
    assert (tmp_path / "c.pth").stat().st_size < 10_000_000
    assert "compressed" in _told(tmp_path / "c.pth")


def test_entries_that_overlap_are_not_read_over_and_over(tmp_path: Path) -> None:
    """A thousand storages that all lie in the same megabyte of the archive."""
    megabyte, count = 1 << 20, 1000
    tensors = {f"t{i}": tf.tensor("ByteStorage", str(i), megabyte, 0, (megabyte,), (1,)) for i in range(count)}
    with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
        archive.writestr("archive/data.pkl", tf.pickled(tf.mapping(tensors)))
        archive.writestr("archive/data/0", bytes(megabyte))
        first = archive.getinfo("archive/data/0")
        for i in range(1, count):
            other = zipfile.ZipInfo(f"archive/data/{i}")
            other.header_offset, other.file_size, other.compress_size = first.header_offset, megabyte, megabyte
            other.CRC = first.CRC
            archive.filelist.append(other)
            archive.NameToInfo[other.filename] = other
    assert _told(tmp_path / "c.pth", 50).startswith("refused")


@pytest.mark.parametrize(
    "body",
    [
        b"}" + _nested(60) + b"K\x01s",
        b"(" + _nested(60) + b"K\x01K\x01K\x01K\x01tQ",
        tf.row(tf.text("storage"), tf.name("torch", "FloatStorage"), _nested(60), tf.text("cpu"), tf.number(6)) + b"Q",
        tf.call(tf.name("collections", "OrderedDict"), tf.row(tf.row(_nested(60), b"N"))),
        b"\x8f(" + _nested(60) + b"\x90",  # a set with it in it
        b"(" + _nested(60) + b"\x91",  # a frozen set
        _long(1 << 20),
        b"".join(b"}" + tf.text("state_dict") for _ in range(20000)) + b"}" + b"s" * 20000,
        b"}q\x00" + tf.text("state_dict") + b"h\x00s",
        tf.mapping({"model." * 3000 + "x": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))}),
    ],
    ids=["key", "reference", "storage", "pairs", "set", "frozen set", "long", "deep", "cyclic", "prefixes"],
)
def test_what_is_small_to_write_and_endless_to_look_at_ends_at_once(tmp_path: Path, body: bytes) -> None:
    path = _zip(tmp_path / "c.pth", tf.pickled(body))
    start_s = time.monotonic()
    with contextlib.suppress(DataError):
        assert checkpoint.read(path).tensors
    assert time.monotonic() - start_s < 20  # it would be the age of the universe


def test_a_shape_of_a_million_dimensions_is_refused_at_once(tmp_path: Path) -> None:
    ones = (1,) * 1_000_000
    path = _zip(tmp_path / "c.pth", tf.pickled(tf.mapping({"a": tf.tensor("FloatStorage", "0", 6, 0, ones, ones)})))
    with pytest.raises(DataError, match="1000000 dimensions"):
        checkpoint.read(path)


def test_a_pickle_cannot_replace_the_methods_of_a_mapping(tmp_path: Path) -> None:
    replaced = tf.mapping({"get": tf.name("torch", "Size"), "items": tf.name("torch", "Size")})
    body = tf.call(tf.name("collections", "OrderedDict")) + replaced + b"b"
    whole = tf.mapping({"state_dict": body + b"(" + tf.text("a") + tf.number(1) + b"u"})
    with pytest.raises(DataError, match="found a mapping with state_dict"):
        checkpoint.read(_zip(tmp_path / "c.pth", tf.pickled(whole)))


def test_the_state_that_torch_gives_an_ordered_dict_does_not_matter(tmp_path: Path) -> None:
    body = tf.call(tf.name("collections", "OrderedDict")) + b"(" + GOOD[2:-1] + b"u"
    body += tf.mapping({"_metadata": tf.mapping({"version": tf.number(1)})}) + b"b"
    found = checkpoint.read(_zip(tmp_path / "c.pth", tf.pickled(body)))
    assert list(found.tensors) == ["a.weight"]


@pytest.mark.parametrize("name", ["../../x/data.pkl", "/etc/x", "archive/../../y"])
def test_a_path_in_an_archive_is_only_a_name(tmp_path: Path, name: str) -> None:
    path = _zip(tmp_path / "c.pth", tf.pickled(GOOD))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"1")
    assert list(checkpoint.read(path).tensors) == ["a.weight"]
    assert os.listdir(tmp_path) == ["c.pth"]


def test_an_encrypted_or_oddly_compressed_archive_is_refused(tmp_path: Path) -> None:
    for place, value in ((6, b"\x01\x00"), (8, b"\x63\x00")):
        path = _zip(tmp_path / "c.pth", tf.pickled(GOOD))
        content = bytearray(path.read_bytes())
        central = content.find(b"PK\x01\x02")
        content[place : place + 2] = value
        content[central + 2 + place : central + 4 + place] = value
        path.write_bytes(content)
        with pytest.raises(DataError, match="truncated or damaged"):
            checkpoint.read(path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.pth"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(NotFoundError, match="expected a file, found a"):
        checkpoint.read(path)


def test_a_name_that_is_no_text_of_utf_8_can_be_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.pth"))
    _zip(path, tf.pickled(GOOD))
    assert list(checkpoint.read(path).tensors) == ["a.weight"]


def test_ten_thousand_views_of_one_storage_are_read(tmp_path: Path) -> None:
    body = tf.mapping({f"t{i}": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1)) for i in range(10_000)})
    found = checkpoint.read(_zip(tmp_path / "c.pth", tf.pickled(body))).tensors
    assert len(found) == 10_000
    assert not np.any(found["t7"])
