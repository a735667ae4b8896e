"""What a joint network is calibrated on: a picture and the one before it, fed by the runtime's own detector.

Where the network also reads where tracks were, it gets what the float network sees in the picture before.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from calibration.feeds import CROP_SCORE, OBJECT_SCORE, CalibrationSet, View
from calibration.frames import Pair
from calibration.runtime import Feed
from edge.detect.families.joint import BEFORE, IMAGE
from edge.detect.joint import JointDetector
from edge.infer.open import open_backend
from edge.modelpack import Detector
from edge.types import Detections, Tracks


def collect(pairs: Iterable[Pair], detector: Detector, content: bytes) -> CalibrationSet:
    """What the board would feed to joint network `detector`, whose float file is `content`, for each of `pairs`."""
    collected = CalibrationSet([], [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joint.onnx"
        path.write_bytes(content)
        backend = open_backend(path, name="onnxruntime")
        joint = JointDetector(detector, backend, classes=detector.classes, floor=OBJECT_SCORE)
        for picture, before in pairs:
            joint.reset()
            if before is not None:
                joint.feedback(_tracks(joint(before)))
            seen = joint(picture)
            feed: Feed = {name: buffer.copy() for name, buffer in backend.inputs.items()}
            collected.feeds.append(feed)
            scale = joint.scale
            centres = (seen.boxes_xyxy[:, :2] + seen.boxes_xyxy[:, 2:]).astype(np.float64) / 2
            collected.views.append(View(picture.shape[1], picture.shape[0], scale))
            within = (centres - (scale.left, scale.top)) / (scale.x, scale.y)
            collected.objects.append(np.clip(within / (detector.input.width, detector.input.height), 0, 1))
        backend.close()
    return collected


def stands_still(feed: Feed) -> bool:
    """Whether the picture before is the picture itself, as at the beginning of a stream."""
    return isinstance(feed, Mapping) and np.array_equal(feed[BEFORE], feed[IMAGE])


def _tracks(seen: Detections) -> Tracks:
    """What a tracker would show of a single frame."""
    rows = np.flatnonzero(seen.scores >= CROP_SCORE)
    classes = np.zeros(len(seen), np.int32) if seen.classes is None else seen.classes
    return Tracks(rows + 1, seen.boxes_xyxy[rows], seen.scores[rows], classes[rows], rows.astype(np.int32))
