"""Embeddings of all detections of a sequence, computed once in a run and then the same for every method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import OutputError
from edge.modelpack import Reid
from edge.motchallenge import read_detections
from edge.reid.embedder import Embedder
from edge.types import Float32s, Image
from edge.val.dataset import Sequence
from edge.val.parallel import Report


@dataclass(frozen=True)
class Embeddings:
    """Those of a sequence's detections, in their order: float32 `[N, E]` in `file`, of the network `description`."""

    file: Path
    description: Reid


def compute(embedder: Embedder, sequence: Sequence, detections: Path, file: Path, report: Report) -> Embeddings:
    """Embed `detections` in the pictures of the sequence's frames; all of the frames must have one.

    Raises what reading pictures and running the network raises, and OutputError.
    """
    from edge.video.images import read_image

    images, found = sequence.images_by_frame(), read_detections(detections, sequence.info.frame_count)
    vectors = []
    for done, number in enumerate(sequence.frames.tolist()):
        vectors.append(embedder(read_image(images[number]), found[number - 1].boxes_xyxy))
        report(done)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.concatenate(vectors))
    except OSError as error:
        raise OutputError(f"{file}: cannot write it: {error.strerror}") from error
    report(len(sequence.frames))
    return Embeddings(file, embedder.description)


class Known:
    """Embeddings looked up in place of an `Embedder`. `number` is the frame that is asked for next."""

    def __init__(self, embeddings: Embeddings, sequence: Sequence, detections: Path):
        self.description = embeddings.description
        self.number = 0
        found = read_detections(detections, sequence.info.frame_count)
        self._boxes = {number: found[number - 1].boxes_xyxy for number in sequence.frames.tolist()}
        counts = [len(boxes) for boxes in self._boxes.values()]
        self._first = dict(zip(self._boxes, np.cumsum([0, *counts]).tolist(), strict=False))
        self._vectors: Float32s = np.load(embeddings.file, mmap_mode="r", allow_pickle=False)

    def __call__(self, image: Image, boxes_xyxy: Float32s) -> Float32s:
        """See `Embedder`; every box must be one of the frame's detections."""
        row_of = {box.tobytes(): row for row, box in enumerate(self._boxes[self.number], self._first[self.number])}
        return np.array(self._vectors[[row_of[box.tobytes()] for box in boxes_xyxy]])
