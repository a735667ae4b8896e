"""A picture in, detections out: preprocessing, the network, decoding and NMS around one backend."""

from collections.abc import Sequence

from edge.detect.adopt import cell_counts
from edge.detect.classes import class_numbers
from edge.detect.families.nanodet import BROKEN, NanoDetDecoder
from edge.detect.nms import survivors
from edge.detect.preprocess import Preprocess, Scale
from edge.errors import DataError
from edge.infer.backend import Backend
from edge.modelpack import Detector as Description
from edge.modelpack import ImageInput
from edge.spans import Spans
from edge.types import Detections, Image, Tracks


class Detector:
    """A NanoDet network with everything around it. Used by one thread at a time.

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
        self._preprocess = Preprocess(description.input, backend.inputs[description.input.name])
        self._decode = NanoDetDecoder(
            description,
            backend.outputs,
            class_numbers(classes, description.classes),
            description.score_floor if floor is None else floor,
        )
        self._nms_iou = description.nms_iou if nms_iou is None else nms_iou
        self._all_spans = spans
        self._spans = spans["preprocess"], spans["infer"], spans["decode+nms"]

    def __call__(self, image: Image) -> Detections:
        """The detections of `image` (uint8 `[H, W, 3]`, BGR), best first, boxes in its pixels. Arrays are fresh copies.

        Raises DataError if the network puts out NaN.
        """
        preprocess, infer, postprocess = self._spans
        with preprocess:
            scale = self._preprocess(image)
        with infer:
            self.backend.run()
        self._all_spans.add_device(self.backend.stages_ms)
        with postprocess:
            return self._detections(scale)

    def see(self, tracks: Tracks) -> None:
        """What was made of the detections, which is nothing to a network that knows one frame only."""

    def reset(self) -> None:
        """Begin another stream: nothing is to be forgotten."""

    def beside(self) -> "Detector":
        """The detector for another stream that takes turns with this one: the same."""
        return self

    def _detections(self, scale: Scale) -> Detections:
        count = self._decode()
        if count == BROKEN:
            raise DataError(
                f"{self.description.source.file}: the network put out NaN; run nanotrack-export verify on the pack"
            )
        return Detections(*survivors(*self._decode.candidates, count, self._nms_iou, scale.x, scale.y))


def _check(description: Description, backend: Backend) -> None:
    """Compare the network's own inputs and outputs with what its description says of them."""
    image, head = description.input, description.head
    expected = {image.name: (_tensor_shape(image), "uint8" if image.layout == "nhwc-uint8" else "float32")}
    cells = cell_counts(image.width, image.height, head.strides)
    names, sides = len(description.classes), 4 * (head.reg_max + 1)
    if len(head.outputs) == 1:
        widths = [(sum(cells), names + sides)]
    elif len(head.outputs) == 2:
        widths = [(sum(cells), names), (sum(cells), sides)]
    else:
        widths = [(count, names) for count in cells] + [(count, sides) for count in cells]
    expected |= {name: ((1, *shape), "float32") for name, shape in zip(head.outputs, widths, strict=True)}
    found = {name: (array.shape, array.dtype.name) for name, array in {**backend.inputs, **backend.outputs}.items()}
    for name, (shape, dtype) in expected.items():
        if found.get(name) != (shape, dtype):
            has = "nothing of that name" if name not in found else f"{found[name][1]} {list(found[name][0])}"
            raise DataError(
                f"{description.source.file}: {name}: the manifest says {dtype} {list(shape)}, the network has {has};"
                " export the pack anew"
            )


def _tensor_shape(image: ImageInput) -> tuple[int, ...]:
    if image.layout == "nhwc-uint8":
        return (1, image.height, image.width, 3)
    return (1, 3, image.height, image.width)
