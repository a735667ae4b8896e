"""Joint networks (CenterTrack, FairMOT, JointTrackNet): two pictures in, detections with offsets and embeddings out.

The exporter puts the search for peaks into the graph, so what comes out is a short list: for each of K peaks its score,
class, cell, box edges, offset and embedding. Here cells become pixels of the source. The picture is scaled to the width
of the input and lies in its middle; the network also gets the picture of the frame before and, where it has that input,
a heat map of where tracks were.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.detect.classes import class_numbers
from edge.detect.families.joint import BEFORE, TRACKS_BEFORE
from edge.detect.preprocess import Preprocess, Scale
from edge.errors import DataError
from edge.infer.backend import Backend
from edge.modelpack import JOINT_OUTPUTS
from edge.modelpack import Detector as Description
from edge.spans import Spans
from edge.types import Detections, Float32s, Image, Tracks

_LEAST_OVERLAP = 0.7  # by which CenterTrack sizes its Gaussians


class JointDetector:
    """A joint network with everything around it, for one stream. `for_stream` makes one for another. One thread only.

    `classes` are names out of the description's, `floor` replaces its threshold. `heatmap` is that of the last frame,
    float32 `[h, w]` in 0..1, one cell for `stride` pixels of the input, the best over the classes; `scale` leads back
    to the source. Raises UsageError for a class that the network does not know, DataError for a network that is not as
    described.
    """

    def __init__(
        self,
        description: Description,
        backend: Backend,
        *,
        classes: Sequence[str] = ("person",),
        floor: float | None = None,
        spans: Spans | None = None,
    ):
        missing = {description.input.name, BEFORE} - set(backend.inputs) | set(JOINT_OUTPUTS) - set(backend.outputs)
        if missing:
            raise DataError(
                f"{description.source.file}: expected a joint network as exported, it lacks"
                f" {', '.join(sorted(missing))}; export the pack again"
            )
        spans = spans or Spans()
        self.description = description
        self.backend = backend
        self.stride = description.head.strides[0]
        self.heatmap = backend.outputs["heatmap"][0]
        self.scale = Scale(1.0, 1.0)
        self._image = backend.inputs[description.input.name]
        self._preprocess = Preprocess(description.input, self._image)
        self._wanted = class_numbers(classes, description.classes)
        self._floor = description.score_floor if floor is None else floor
        self._all_spans = spans
        self._spans = spans["preprocess"], spans["infer"], spans["decode+nms"]
        self.reset()

    def reset(self) -> None:
        """Begin another stream: the next frame has none before it."""
        self._before: npt.NDArray[Any] | None = None
        looks_at_tracks = TRACKS_BEFORE in self.backend.inputs
        self._tracks = np.zeros_like(self.backend.inputs[TRACKS_BEFORE]) if looks_at_tracks else None

    def for_stream(self) -> "JointDetector":
        """The same network for another stream, with a frame before of its own; both take turns in one thread."""
        other = copy.copy(self)
        other.reset()
        return other

    def __call__(self, image: Image) -> Detections:
        """The detections of `image` (uint8 `[H, W, 3]`, BGR), best first, in its pixels. Arrays are fresh copies.

        `offsets` lead from `centres`, the peaks, back to where these were a frame ago; embeddings have length 1.
        Raises DataError if the network puts out NaN.
        """
        preprocess, infer, decode = self._spans
        with preprocess:
            self.scale = self._preprocess(image)
            if self._before is None:
                self._before = self._image.copy()
            np.copyto(self.backend.inputs[BEFORE], self._before)
            np.copyto(self._before, self._image)
            if self._tracks is not None:
                np.copyto(self.backend.inputs[TRACKS_BEFORE], self._tracks)
        with infer:
            self.backend.run()
        self._all_spans.add_device(self.backend.stages_ms)
        with decode:
            return self._decoded()

    def feedback(self, tracks: Tracks) -> None:
        """Draw `tracks`, those of the frame just detected, for the next one, if the network looks at them."""
        if self._tracks is not None:
            canvas = self._tracks[0, 0]
            canvas[:] = 0
            boxes = (tracks.boxes_xyxy - self._shift()) / np.array([self.scale.x, self.scale.y] * 2)
            for box in boxes:
                draw_gaussian(canvas, box)

    def _decoded(self) -> Detections:
        if not np.isfinite(self.backend.outputs["scores"]).all():
            raise DataError(
                f"{self.description.source.file}: the network put out NaN; run nanotrack-export verify on the pack"
            )
        return decoded(self.backend.outputs, self.stride, self.scale, self._floor, self._wanted)

    def _shift(self) -> Float32s:
        return np.array([self.scale.left, self.scale.top] * 2, np.float32)


def decoded(
    outputs: Mapping[str, npt.NDArray[Any]], stride: int, scale: Scale, floor: float, wanted: Sequence[int]
) -> Detections:
    """The detections of at least `floor` and of the classes `wanted` in a joint network's `outputs`, as fresh arrays.

    A cell is `stride` pixels of the input wide; `scale` leads from there to the pixels that boxes are in.
    """
    scores, classes, peaks, edges, offsets, embeddings = (outputs[name][0] for name in JOINT_OUTPUTS[:6])
    classes = classes.astype(np.int32)
    rows = np.flatnonzero((scores >= np.float32(floor)) & np.isin(classes, wanted))
    to_pixels = np.array([scale.x, scale.y], np.float32) * np.float32(stride)
    corner = np.array([scale.left, scale.top], np.float32)
    peaks = peaks[rows]
    boxes = np.concatenate([peaks, peaks], 1) + edges[rows]
    embeddings = embeddings[rows]
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Detections(
        boxes * np.tile(to_pixels, 2) + np.tile(corner, 2),
        scores[rows],
        classes[rows],
        np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0),
        offsets[rows] * to_pixels,
        peaks * to_pixels + corner,
    )


def draw_gaussian(canvas: npt.NDArray[np.float32], box: npt.NDArray[np.floating]) -> None:
    """Raise `canvas` to a bump of height 1 around the cell in the middle of `box`, as CenterTrack draws its heat maps.

    `box` is xyxy in cells; a box without an area inside the canvas leaves no mark.
    """
    height, width = canvas.shape
    x1, y1, x2, y2 = np.clip(box, 0, [width - 1, height - 1] * 2).tolist()
    if x2 <= x1 or y2 <= y1:
        return
    radius = max(0, int(gaussian_radius(np.ceil(y2 - y1), np.ceil(x2 - x1))))
    x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
    left, top = max(0, x - radius), max(0, y - radius)
    part = canvas[top : y + radius + 1, left : x + radius + 1]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    sigma = (2 * radius + 1) / 6
    bump = np.exp(-((columns + left - x) ** 2 + (rows + top - y) ** 2) / (2 * sigma * sigma))
    np.maximum(part, bump, out=part, casting="same_kind")


def gaussian_radius(height: float, width: float, overlap: float = _LEAST_OVERLAP) -> float:
    """How far a corner may move for a box of IoU `overlap` to remain (Law and Deng, CornerNet, 2018, as published)."""
    both, area = height + width, height * width
    radii = []
    for a, b, c in (
        (1.0, both, area * (1 - overlap) / (1 + overlap)),
        (4.0, 2 * both, area * (1 - overlap)),
        (4.0 * overlap, -2 * overlap * both, area * (overlap - 1)),
    ):
        radii.append((b + np.sqrt(b * b - 4 * a * c)) / 2)  # not / 2a: so in CornerNet and all that follow it
    return float(min(radii))
