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

from edge.infer.golden import fill
from edge.infer.open import open_backend
from edge.modelpack import ImageInput

Arrays = dict[str, npt.NDArray[Any]]

BATCH = {"detector": 1, "reid": 2}  # two crops show that a batch is a batch


def picture(width: int, height: int, seed: int) -> npt.NDArray[np.uint8]:
    """A synthetic scene `[H, W, 3]`: a sky-to-ground gradient, upright figures of head and body, and sensor noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    shade = 90 + 120 * rows / height
    image = np.stack([shade, shade - 15, shade - 30 * columns / width], axis=2)
    for _ in range(6):
        tall = height * random.uniform(0.25, 0.7)
        x, feet = random.uniform(0.1, 0.9) * width, height * random.uniform(0.75, 0.98)
        body = (abs(columns - x) < tall * 0.14) & (rows < feet) & (rows > feet - 0.82 * tall)
        head = np.hypot(columns - x, rows - feet + 0.9 * tall) < tall * 0.08
        image[body] = random.uniform(20, 200, 3)
        image[head] = (110, 140, 190)
    image += random.normal(0, 4, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def feed(wanted: ImageInput, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[Any]:
    """The input tensor that a network with input `wanted` gets for BGR `pictures` of its size."""
    batch = np.stack(pictures)
    if wanted.colour == "rgb":
        batch = batch[..., ::-1]
    if wanted.layout == "nhwc-uint8":
        return np.ascontiguousarray(batch)
    normal = (batch.astype(np.float32) - np.array(wanted.mean, np.float32)) / np.array(wanted.std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


def outputs(path: Path, tensor: npt.NDArray[Any]) -> Arrays:
    """What the network in ONNX file `path` makes of `tensor`, by output name.

    One thread: the order of the sums, and with it the last bits, must not depend on how many cores there are.
    """
    backend = open_backend(path, name="onnxruntime", threads=1, max_batch=len(tensor))
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
