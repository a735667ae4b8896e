"""The golden file of a pack: one input for each network and what each variant makes of it, for the board's self-test.

An `.npz` with arrays `<network>.input` and `<network>.<variant>.<output>`, where `<network>` is `detector` or `reid`.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.infer.backend import hold
from edge.infer.golden import fill
from edge.infer.open import open_backend
from edge.modelpack import ImageInput

Arrays = dict[str, npt.NDArray[Any]]

BATCH = {"detector": 1, "reid": 2}  # two crops show that a batch is a batch


def feed(wanted: ImageInput, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[Any]:
    """The input tensor that a network with input `wanted` gets for BGR `pictures` of its size."""
    batch = np.stack(pictures)
    if wanted.colour == "rgb":
        batch = batch[..., ::-1]
    if wanted.layout == "nhwc-uint8":
        return np.ascontiguousarray(batch)
    normal = (batch.astype(np.float32) - np.array(wanted.mean, np.float32)) / np.array(wanted.std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2), wanted.layout.removeprefix("nchw-"))


def outputs(path: Path, tensor: npt.NDArray[Any], constants: Mapping[str, Sequence[float]]) -> Arrays:
    """What the network in ONNX file `path` makes of `tensor` beside its `constants`, by output name.

    One thread: the order of the sums, and with it the last bits, must not depend on how many cores there are.
    """
    backend = open_backend(path, name="onnxruntime", threads=1, max_batch=len(tensor))
    hold(backend, constants)
    fill(backend, tensor)
    backend.run()
    found = {name: array.copy() for name, array in backend.outputs.items()}
    backend.close()
    return found


def packed(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """`arrays` as a compressed `.npz`; the same arrays give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, arrays[name], allow_pickle=False)
            # A ZipInfo without a date is of 1980-01-01.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()
