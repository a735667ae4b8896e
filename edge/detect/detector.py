"""A picture in, detections out: preprocessing, the network, decoding and NMS around one backend."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.detect.classes import class_numbers
from edge.detect.decode.candidates import BROKEN, UNNAMED
from edge.detect.decode.nms import survivors
from edge.detect.families import registry
from edge.detect.preprocess import Preprocess, Scale
from edge.errors import DataError
from edge.infer.backend import Backend, hold
from edge.modelpack import Detector as Description
from edge.spans import Spans
from edge.types import Detections, Image, Tracks


class Detector:
    """A network that detects in single frames, with everything around it. Used by one thread at a time.

    `classes` are names out of the description's, `floor` and `nms_iou` replace its thresholds. Raises UsageError for a
    class that the network does not know, DataError for a network that is not as described.
    """

    def __init__(
        self,
        description: Description,
        backend: Backend,
        *,
        classes: Sequence[str] = ("person",),
        floor: float | None = None,
        nms_iou: float | None = None,
        spans: Spans | None = None,
    ):
        _check(description, backend)
        spans = spans or Spans()
        self.description = description
        self.backend = backend
        hold(backend, description.constants)
        self._preprocess = Preprocess(description.input, as_batch(backend.inputs[description.input.name], 4))
        self._outputs = Floats({name: backend.outputs[name] for name in description.head.outputs})
        self._decode = registry.decoder(
            description,
            self._outputs.arrays,
            class_numbers(classes, description.classes),
            description.score_floor if floor is None else floor,
        )
        self._nms_iou = description.nms_iou if nms_iou is None else nms_iou
        self._all_spans = spans
        self._spans = spans["preprocess"], spans["infer"], spans["decode+nms"]

    def __call__(self, image: Image) -> Detections:
        """The detections of `image` (uint8 `[H, W, 3]`, BGR; grey and BGRA are converted), best first, boxes in its
        pixels. Arrays are fresh copies.

        Raises InputError for another kind of picture, DataError if the network puts out NaN.
        """
        preprocess, infer, postprocess = self._spans
        with preprocess:
            scale = self._preprocess(image)
        with infer:
            self.backend.run()
        self._all_spans.add_device(self.backend.stages_ms)
        with postprocess:
            return self._detections(scale)

    def feedback(self, tracks: Tracks) -> None:
        """Nothing: a detector of single frames needs no tracks."""

    def reset(self) -> None:
        """Begin another stream: nothing is to be forgotten."""

    def for_stream(self) -> "Detector":
        """The detector for another stream: the same, since it keeps nothing from frame to frame."""
        return self

    def _detections(self, scale: Scale) -> Detections:
        self._outputs.refresh()
        count = self._decode()
        if count == UNNAMED:
            raise DataError(
                f"{self.description.source.file}: the network found a class beyond its"
                f" {len(self.description.classes)} names; make the pack again with all of --class-names"
            )
        if count == BROKEN:
            raise DataError(
                f"{self.description.source.file}: the network put out NaN; run nanotrack-export verify on the pack"
            )
        return Detections(*survivors(*self._decode.candidates, count, self._nms_iou, *scale))


class Floats:
    """A network's outputs as `arrays` of float32: the buffers themselves where they are, copies where they are not."""

    def __init__(self, outputs: Mapping[str, npt.NDArray[Any]]):
        self.arrays = {
            name: buffer if buffer.dtype == np.float32 else buffer.astype(np.float32)
            for name, buffer in outputs.items()
        }
        self._copied = [(self.arrays[n], buffer) for n, buffer in outputs.items() if buffer.dtype != np.float32]

    def refresh(self) -> None:
        """Bring the copies up to date, after the network ran."""
        for mine, buffer in self._copied:
            np.copyto(mine, buffer, casting="unsafe")


def as_batch(tensor: npt.NDArray[Any], dimensions: int) -> npt.NDArray[Any]:
    """A view of a network's buffer with a first dimension for the batch, which some exporters leave out."""
    return tensor if tensor.ndim == dimensions else tensor[None]


_DTYPES = {"nhwc-uint8": "uint8", "nchw-float32": "float32", "nchw-float16": "float16"}


def _check(description: Description, backend: Backend) -> None:
    """Compare the network's own inputs and outputs with what its description says of them."""
    for name, wanted, dtype, array in _expected(description, backend):
        shape = None if array is None else array.shape
        same = shape is not None and len(shape) == len(wanted)
        same = same and all(b in (None, a) for a, b in zip(shape or (), wanted, strict=False))
        if array is None or not same or (dtype and array.dtype.name != dtype):
            has = "nothing of that name" if array is None else f"{array.dtype} {list(array.shape)}"
            said = ", ".join("any" if size is None else str(size) for size in wanted)
            raise DataError(
                f"{description.source.file}: {name}: the manifest says {dtype or 'numbers'} [{said}], the network has"
                f" {has}; export the pack again"
            )


def _expected(
    description: Description, backend: Backend
) -> Iterator[tuple[str, Sequence[int | None], str | None, npt.NDArray[Any] | None]]:
    """Name, shape and type (None: any) that the description tells of each input and output, and the network's own."""
    image = description.input
    chw = (3, image.height, image.width)
    shape = (1, image.height, image.width, 3) if image.layout == "nhwc-uint8" else (1, *chw)
    tensor = backend.inputs.get(image.name)
    yield image.name, shape, _DTYPES[image.layout], None if tensor is None else as_batch(tensor, 4)
    for name, values in description.constants.items():
        yield name, (1, len(values)), None, backend.inputs.get(name)
    for name, sizes in registry.of(description).outputs(description).items():
        yield name, sizes, None, backend.outputs.get(name)
