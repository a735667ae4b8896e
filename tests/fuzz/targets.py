"""What is fuzzed: for each kind of input a seed corpus and the function that reads it.

A target passes where its reader returns or raises a NanoTrackError. Readers of networks run in a child process with
limits by themselves; here only the layers before it are fuzzed, which see every byte of the file first.
"""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests import tiny
from tests.export import foreign
from tests.export import torchfile as tf


@dataclass(frozen=True)
class Target:
    """`seeds` makes sound inputs, with what they need in a folder; `read` reads one from a path with `suffix`."""

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]


def _checkpoints(folder: Path) -> list[bytes]:
    body = tf.mapping({"state_dict": tf.mapping({"a.weight": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))})})
    content = np.arange(6, dtype="<f4").tobytes()
    archive = tf.write_archive(folder / "a", body, {"0": content})
    stream = tf.write_stream(folder / "b", body, {"0": (6, content)})
    return [archive.read_bytes(), stream.read_bytes()]


def _read_checkpoint(path: Path) -> object:
    from export import checkpoint

    return checkpoint.read(path)


def _safetensors(folder: Path) -> list[bytes]:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    return [len(header).to_bytes(8, "little") + header + bytes(24)]


def _onnx(folder: Path) -> list[bytes]:
    return [model.SerializeToString() for model in (foreign.detector(), foreign.reid(), foreign.with_nms())]


def _read_onnx(path: Path) -> object:
    from export import onnxfile

    return onnxfile.ports(onnxfile.load(path)[1])


def _manifests(folder: Path) -> list[bytes]:
    shutil.rmtree(folder / "seed.pack", ignore_errors=True)
    return [(tiny.write_pack(folder / "seed.pack") / "pack.json").read_bytes()]


def _read_pack(path: Path) -> object:
    """The pack of the seed with `path` as its manifest."""
    from edge import modelpack

    shutil.copyfile(path, path.parent / "seed.pack" / "pack.json")
    return modelpack.read(path.parent / "seed.pack")


def _arrays(folder: Path) -> list[bytes]:
    file = io.BytesIO()
    arrays: dict[str, Any] = {"detector.input": np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3), "b": np.eye(3)}
    np.savez_compressed(file, **arrays)
    return [file.getvalue()]


def _read_arrays(path: Path) -> object:
    from edge.errors import DataError
    from edge.infer import npz

    try:
        return npz.read(path)
    except ValueError as error:  # what it is documented to raise; its caller names the pack
        raise DataError(str(error)) from error


def _rows(folder: Path) -> list[bytes]:
    rows = "".join(f"{frame},{i},{10 * i},20,30,40,0.9,-1,-1,-1\n" for frame in range(1, 6) for i in range(1, 4))
    return [rows.encode(), b"1,-1,1,2,3,4,.5\n", b"\xef\xbb\xbf1,-1,1,2,3,4,.5,-1,-1,-1\r\n"]


def _read_rows(path: Path) -> object:
    from edge.motchallenge import read_detections

    return read_detections(path)


def _toml(folder: Path) -> list[bytes]:
    return [
        b'model = "a.pack"\n[[camera]]\nname = "door"\nsource = "rtsp://camera/1"\n[mqtt]\nhost = "broker"\n',
        b'model = "a.pack"\ndetect_every = 2\n[[camera]]\nname = "a"\nsource = "demo://"\n[[camera.line]]\n',
    ]


def _read_toml(path: Path) -> object:
    from edge.settings import config

    return config.load(path)


def _yaml(folder: Path) -> list[bytes]:
    return [b"model: {arch: {backbone: {activation: SiLU}}}\ndata: {val: {keep_ratio: true, input_size: [96, 64]}}\n"]


def _read_yaml(path: Path) -> object:
    from export import config

    return config.read(path)


def _pictures(folder: Path) -> list[bytes]:
    import cv2

    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    return [cv2.imencode(suffix, picture)[1].tobytes() for suffix in (".png", ".jpg", ".bmp", ".webp")]


def _read_picture(path: Path) -> object:
    from edge.video.images import read_image

    return read_image(path)


TARGETS = {
    "checkpoint": Target(".pth", _checkpoints, _read_checkpoint),
    "safetensors": Target(".safetensors", _safetensors, _read_checkpoint),
    "onnx": Target(".onnx", _onnx, _read_onnx),
    "pack": Target(".json", _manifests, _read_pack),
    "npz": Target(".npz", _arrays, _read_arrays),
    "mot": Target(".txt", _rows, _read_rows),
    "toml": Target(".toml", _toml, _read_toml),
    "yaml": Target(".yml", _yaml, _read_yaml),
    "picture": Target(".png", _pictures, _read_picture),
}
