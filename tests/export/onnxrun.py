"""Runs a model on ONNX Runtime."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime


def run(model: onnx.ModelProto | bytes | str, **feed: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """The outputs of `model` by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def normalised(images: npt.NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]) -> npt.NDArray[Any]:
    """uint8 `[N, H, W, 3]` as the float64 `[N, 3, H, W]` that the published networks want."""
    return ((images.astype(np.float64) - mean) / std).transpose(0, 3, 1, 2)


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The logistic function."""
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
