"""Tiny model packs, whole and valid, whose networks compute in microseconds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge import modelpack
from edge.modelpack import ModelPack

SIZE = 16
STRIDE = 8
CELLS = (SIZE // STRIDE) ** 2
VARIANTS = ("fp32", "int8", "qdq", "fp16", "qdq_fp16")


def network(input_name: str, outputs: Mapping[str, int], batch: int | str, variant: str, noise: float) -> bytes:
    """Raw uint8 pixels, cast and transposed, through one 8x8 convolution for each output `[batch, cells, channels]`.

    Channel 0 answers with the brightness of a cell: below 0 where it is dark, 6 where it is white. The others are noise
    around 0. The last bytes hold `variant`, so that the fake TensorRT can tell which one it got; `noise` disturbs the
    weights.
    """
    random = np.random.default_rng(1)
    nodes = [
        helper.make_node("Cast", [input_name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    weights = []
    values = []
    for name, channels in outputs.items():
        weight = random.normal(size=(channels, 3, STRIDE, STRIDE)) / 5000
        weight[0] = 12 / 255 / weight[0].size
        weight *= 1 + noise * random.normal(size=weight.shape)
        bias = np.where(np.arange(channels) == 0, -6, 0)
        for suffix, constant in (("weight", np.float32(weight)), ("bias", np.float32(bias))):
            weights.append(numpy_helper.from_array(constant, f"{name}.{suffix}"))
        weights.append(numpy_helper.from_array(np.array([0, channels, -1], np.int64), f"{name}.shape"))
        nodes += [
            helper.make_node(
                "Conv", ["planes", f"{name}.weight", f"{name}.bias"], [f"{name}.map"], strides=[STRIDE, STRIDE]
            ),
            helper.make_node("Reshape", [f"{name}.map", f"{name}.shape"], [f"{name}.flat"]),
            helper.make_node("Transpose", [f"{name}.flat"], [name], perm=[0, 2, 1]),
        ]
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, CELLS, channels]))
    image = helper.make_tensor_value_info(input_name, TensorProto.UINT8, [batch, SIZE, SIZE, 3])
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [image], values, weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = "variant", variant
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_pack(
    folder: Path, variants: tuple[str, ...] = VARIANTS, failed: tuple[str, ...] = (), reid: bool = True
) -> ModelPack:
    """A pack in `folder` with a detector (and a ReID network) in `variants`, of which `failed` are below the gate."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    detector = {
        "source": _source(),
        "input": _input("image"),
        "head": {
            "type": "nanodet-plus",
            "outputs": ["class_logits", "distances"],
            "strides": [STRIDE],
            "reg_max": 7,
            "cell_offset": 0.0,
            "scores": "logits",
        },
        "classes": ["person", "car"],
        "variants": _variants(
            folder, "detector", "image", {"class_logits": 2, "distances": 32}, 1, variants, failed, arrays
        ),
    }
    manifest: dict[str, Any] = {"schema": 1, "name": folder.name, "tool": "a test", "detector": detector}
    if reid:
        manifest["reid"] = {
            "source": _source(),
            "input": _input("crops"),
            "output": "embedding",
            "embedding": 4,
            "variants": _variants(folder, "reid", "crops", {"embedding": 4}, "N", variants, failed, arrays),
        }
    np.savez(folder / "golden.npz", **arrays)  # type: ignore[arg-type]
    manifest["golden"] = {"file": "golden.npz", "sha256": modelpack.sha256_of(folder / "golden.npz")}
    (folder / modelpack.MANIFEST).write_text(json.dumps(manifest))
    return modelpack.read(folder)


def _source() -> dict[str, str]:
    return {"file": "none", "sha256": "0", "architecture": "tiny"}


def _input(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "width": SIZE,
        "height": SIZE,
        "layout": "nhwc-uint8",
        "colour": "bgr",
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    }


def _variants(
    folder: Path,
    name: str,
    input_name: str,
    outputs: Mapping[str, int],
    batch: int | str,
    variants: tuple[str, ...],
    failed: tuple[str, ...],
    arrays: dict[str, np.ndarray],
) -> dict[str, Any]:
    import onnxruntime

    rows = 1 if batch == 1 else 2
    tensor = np.random.default_rng(2).integers(0, 256, (rows, SIZE, SIZE, 3), np.uint8)
    arrays[f"{name}.input"] = tensor
    entries = {}
    for variant in variants:
        content = network(input_name, outputs, batch, variant, 0.05 if variant in ("int8", "qdq", "qdq_fp16") else 0.0)
        file = f"{name}.{variant}.onnx"
        (folder / file).write_bytes(content)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for output, value in zip(outputs, session.run(list(outputs), {input_name: tensor}), strict=True):
            arrays[f"{name}.{variant}.{output}"] = value
        entries[variant] = {
            "file": file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "opset": 17,
            "passed": variant not in failed,
        }
    return entries
