"""Checkpoints as `torch.save` writes them, put together byte by byte: both formats, without PyTorch."""

import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


def name(module: str, attribute: str) -> bytes:
    """The opcode that looks up a global."""
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    """The opcode of a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """The opcode of an integer of 32 bits."""
    return b"J" + struct.pack("<i", value)


def row(*items: bytes) -> bytes:
    """The opcodes of a tuple."""
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    """The opcodes of a call."""
    return function + row(*arguments) + b"R"


def mapping(items: Mapping[str, bytes]) -> bytes:
    """The opcodes of a dict."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def tensor(kind: str, key: str, elements: int, offset: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    """The opcodes of a tensor on storage `key` of `kind`, such as "FloatStorage"."""
    storage = row(text("storage"), name("torch", kind), text(key), text("cpu"), number(elements)) + b"Q"
    hooks = call(name("collections", "OrderedDict"))
    sizes = row(*map(number, shape)), row(*map(number, strides))
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage, number(offset), *sizes, b"\x89", hooks)


def pickled(body: bytes) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + body + b"."


def write_archive(path: Path, body: bytes, storages: Mapping[str, bytes], byte_order: str = "little") -> Path:
    """A checkpoint in the zip format."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(body))
        archive.writestr("archive/byteorder", byte_order)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_stream(path: Path, body: bytes, storages: Mapping[str, tuple[int, bytes]]) -> Path:
    """A checkpoint in the older format; a storage is its number of elements and its bytes."""
    system = {"protocol_version": VERSION, "little_endian": True}
    parts = [pickle.dumps(value, 2) for value in (MAGIC, VERSION, system)]
    parts += [pickled(body), pickle.dumps(sorted(storages), 2)]
    parts += [struct.pack("<q", storages[key][0]) + storages[key][1] for key in sorted(storages)]
    path.write_bytes(b"".join(parts))
    return path
