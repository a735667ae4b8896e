"""Detections out of a detector's outputs, by the runtime's own decoder and NMS, on arrays that a run returned."""

from collections.abc import Sequence

import numpy as np

from calibration.runtime import Arrays
from edge.detect.decode.candidates import Decoder
from edge.detect.decode.nms import survivors
from edge.detect.families import registry
from edge.modelpack import Detector
from edge.types import Detections


class Postprocess:
    """The runtime's own decoding and NMS on copies of a network's outputs, of `classes` or all."""

    def __init__(self, detector: Detector, outputs: Arrays, classes: Sequence[int] | None = None):
        self._classes = range(len(detector.classes)) if classes is None else classes
        self._detector = detector
        self._buffers = {name: np.array(outputs[name], np.float32) for name in detector.head.outputs}
        self._decoders: dict[float, Decoder] = {}

    def __call__(self, outputs: Arrays, floor: float) -> Detections:
        """The detections in `outputs`, best first."""
        if floor not in self._decoders:
            self._decoders[floor] = registry.decoder(self._detector, self._buffers, list(self._classes), floor)
        for name, buffer in self._buffers.items():
            buffer[...] = outputs[name]
        count = self._decoders[floor]()
        as_it_is = 1.0, 1.0, 0.0, 0.0
        return Detections(*survivors(*self._decoders[floor].candidates, count, self._detector.nms_iou, *as_it_is))
