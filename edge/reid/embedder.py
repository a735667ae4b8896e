"""Boxes of a picture in, unit embeddings out: crops in one batch buffer, one run of the network for all of them."""

from collections.abc import Iterator

import numpy as np

from edge.detect.preprocess import Preprocess, bgr
from edge.errors import DataError
from edge.infer.backend import Backend
from edge.modelpack import Reid
from edge.spans import Spans
from edge.types import Float32s, Image


class Embedder:
    """An appearance network with its pre- and postprocessing. Used by one thread at a time.

    `backend` holds room for `max_batch` crops; more boxes are embedded in several runs. Runs have sizes that are powers
    of two, so that a network meets few shapes and no crop is computed for nothing. Raises DataError for a network that
    is not as described.
    """

    def __init__(self, description: Reid, backend: Backend, *, spans: Spans | None = None):
        self.description = description
        self.backend = backend
        self._crops = backend.inputs[description.input.name]
        self._preprocess = Preprocess(description.input, self._crops)
        self._all_spans = spans or Spans()
        self._spans = self._all_spans["crops"], self._all_spans["reid"]
        self._vectors = backend.outputs[description.output]
        if self._vectors.shape != (len(self._crops), description.embedding):
            raise DataError(
                f"{description.source.file}: {description.output}: the manifest says {description.embedding} numbers a"
                f" crop, the network has {list(self._vectors.shape)}; export the pack again"
            )

    def __call__(self, image: Image, boxes_xyxy: Float32s) -> Float32s:
        """One unit vector for each box (float32 `[N, 4]`, pixels of `image`): float32 `[N, E]`, a fresh array.

        Crops are cut at whole pixels inside the picture, as the reference does; a box without a pixel in it gets a
        vector of zeros, which is like nothing. Raises InputError for a picture that is none, see
        `edge.detect.preprocess.bgr`.
        """
        image = bgr(image)
        crops, reid = self._spans
        vectors = np.zeros((len(boxes_xyxy), self.description.embedding), np.float32)
        corners = _whole_pixels(boxes_xyxy, image)
        visible = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
        for rows in _batches(visible, len(self._crops)):
            with crops:
                for place, (x1, y1, x2, y2) in enumerate(corners[rows].tolist()):
                    self._preprocess(image[y1:y2, x1:x2], place)
            with reid:
                self.backend.run(len(rows))
            self._all_spans.add_device({f"{name}, reid": ms for name, ms in self.backend.stages_ms.items()})
            vectors[rows] = self._vectors[: len(rows)]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all():
            raise DataError(
                f"{self.description.source.file}: the network put out NaN; run nanotrack-export verify on the pack"
            )
        return np.asarray(np.divide(vectors, lengths, out=vectors, where=lengths > 0))


def _batches(rows: np.ndarray, room: int) -> Iterator[np.ndarray]:
    """`rows` in pieces, the length of each the largest power of two that fits."""
    while len(rows):
        size = 1 << (min(len(rows), room).bit_length() - 1)
        yield rows[:size]
        rows = rows[size:]


def _whole_pixels(boxes_xyxy: Float32s, image: Image) -> np.ndarray:
    """Box corners cut down to whole numbers inside the picture."""
    height, width = image.shape[:2]
    return np.clip(boxes_xyxy, 0, [width, height, width, height]).astype(np.int64)
