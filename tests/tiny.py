"""A detector, a pack and videos small enough for every test: bright squares on black are its "people"."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR, OWN_OUTPUTS, PLUS
from edge.infer.backend import Port
from edge.modelpack import MANIFEST, Detector, Head, ImageInput, Manifest, Reid, Source, Variant, sha256_of
from edge.reid import adopt
from edge.types import Image
from edge.video.opencv import cv2

INPUT_PX = 64
SQUARE_PX = 32  # in pictures of 128 x 128, so 2 x 2 cells of stride 8 in the network's input
CELLS = 64 + 16 + 4 + 1


def write_network(path: Path, *, dead: bool = False) -> None:
    """A NanoDet-Plus look-alike in ONNX: class logit 8 where a cell of stride 8 is white, -8 where it is black.

    Boxes reach 8 px to each side of the cell's prior. A `dead` one puts out NaN.
    """
    rest = np.full((1, CELLS - 64, 1), np.nan if dead else -8, np.float32)
    sides = np.zeros((1, CELLS, 4, 8), np.float32)
    sides[..., 1] = 30  # all weight on a distance of one stride
    constants = {
        "scale": np.float32(16 / 255),
        "offset": np.float32(8),
        "cells": np.array([1, 64, 1], np.int64),
        "rest": rest,
        "sides": sides.reshape(1, CELLS, 32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["means"], ["grey"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["grey", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "offset"], ["shifted"]),
        helper.make_node("Reshape", ["shifted", "cells"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["class_logits"], axis=1),
        helper.make_node("Identity", ["sides"], ["distances"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, INPUT_PX, INPUT_PX, 3])],
        [
            helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, [1, CELLS, 1]),
            helper.make_tensor_value_info("distances", TensorProto.FLOAT, [1, CELLS, 32]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write_embedder(path: Path) -> None:
    """An appearance network whose embedding is the mean colour of each of four stripes of the crop."""
    nodes = [
        helper.make_node("AveragePool", ["crops"], ["stripes"], kernel_shape=[8, 16], strides=[8, 16]),
        helper.make_node("Flatten", ["stripes"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stripes",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["N", 3, 32, 16])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 12])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _reid(network: Path) -> Reid:
    write_embedder(network)
    ports = [Port("crops", (None, 3, 32, 16), "float32")], [Port("embedding", (None, 12), "float32")]
    variant = Variant(network.name, sha256_of(network), opset=13)
    return dataclasses.replace(adopt.reid(network.name, sha256_of(network), *ports), variants={"fp32": variant})


def write_pack(folder: Path, *, dead: bool = False, reid: bool = False) -> Path:
    """A model pack around `write_network`, and `write_embedder` where it has `reid`; its folder."""
    folder.mkdir()
    network = folder / "detector.onnx"
    write_network(network, dead=dead)
    variant = Variant(network.name, sha256_of(network), opset=13)
    described = Detector(
        Source("tiny.onnx", hashlib.sha256(b"").hexdigest(), "NanoDet-Plus (ONNX)"),
        ImageInput("image", INPUT_PX, INPUT_PX, "nhwc-uint8", "bgr", NANODET_MEAN_BGR, NANODET_STD_BGR),
        Head(PLUS, OWN_OUTPUTS, (8, 16, 32, 64), 7, 0.0, "logits"),
        ("person",),
        {"fp32": variant},
    )
    manifest = Manifest(1, "tiny", "tests", described, _reid(folder / "reid.onnx") if reid else None)
    (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(manifest)))
    return folder


def picture(number: int, size: tuple[int, int] = (128, 128)) -> Image:
    """Frame `number` (from 1): one square that stays at the left, one that moves right by 2 px a frame."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[16 : 16 + SQUARE_PX, 8 : 8 + SQUARE_PX] = 255
    left = 8 + 2 * number
    image[80 : 80 + SQUARE_PX, left : left + SQUARE_PX] = 255
    return image


def write_video(path: Path, frames: int = 30, rate: float = 25.0, size: tuple[int, int] = (128, 128)) -> Path:
    """A video of `picture`s; its path."""
    fourcc = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*fourcc), rate, size)
    for number in range(1, frames + 1):
        writer.write(picture(number, size))
    writer.release()
    return path


def write_images(folder: Path, frames: int = 12) -> Path:
    """A folder of `picture`s whose names sort differently as text and as numbers; the folder."""
    folder.mkdir(parents=True)
    for number in range(1, frames + 1):
        cv2.imwrite(str(folder / f"frame{number}.png"), picture(number))
    return folder
