"""Debug views of a joint network, drawn under the tracks: its heat map, and the offsets to the previous frame."""

from collections.abc import Sequence

import numpy as np

from edge.detect.joint import JointDetector
from edge.errors import UsageError
from edge.types import Detections, Image, Tracks
from edge.video.opencv import cv2

VIEWS = ("heatmap", "offsets")

_MAGENTA = (255, 0, 255)
_STRENGTH = 0.75  # of the heat map where it is 1
_LEAST_SCORE = 0.3  # of the tracks that get an arrow, as published


class DebugView:
    """Draws `views`, names out of `VIEWS`, of what `detector` made last. Raises UsageError for another name."""

    def __init__(self, detector: JointDetector, views: Sequence[str]):
        for name in views:
            if name not in VIEWS:
                raise UsageError(f"--show-debug {name}: unknown; use {' or '.join(VIEWS)}, or both with a comma")
        self._detector = detector
        self._views = views

    def paint(self, canvas: Image, detections: Detections, tracks: Tracks) -> None:
        """Draw onto `canvas` (uint8 `[H, W, 3]`, BGR), in place, the network's output for `tracks` of this frame."""
        if "heatmap" in self._views:
            self._blend_heat(canvas)
        if "offsets" in self._views and detections.centres is not None and detections.offsets is not None:
            width = max(2, round(min(canvas.shape[:2]) / 400))
            for row in tracks.detection_index[tracks.scores > _LEAST_SCORE]:
                if row >= 0:
                    start = detections.centres[row]
                    ends = np.rint([start, start + detections.offsets[row]]).astype(int).tolist()
                    cv2.arrowedLine(canvas, ends[0], ends[1], _MAGENTA, width, cv2.LINE_AA, tipLength=0.3)

    def _blend_heat(self, canvas: Image) -> None:
        scale, stride = self._detector.scale, self._detector.stride
        # The value of a cell stands at its upper left corner: that is where a peak is.
        move = np.array([[scale.x * stride, 0, scale.left], [0, scale.y * stride, scale.top]])
        heat = cv2.warpAffine(self._detector.heatmap, move, (canvas.shape[1], canvas.shape[0]), flags=cv2.INTER_LINEAR)
        colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)
        weight = (_STRENGTH * heat)[..., None]
        canvas[:] = (canvas * (1 - weight) + colours * weight).astype(np.uint8)
