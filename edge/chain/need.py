"""How much a stream needs a detection now, and how streams share a budget of them.

Need is a rate times the time since the last detection: about what share of a box's height a track has moved unseen.
The rate is slow to change on purpose. Detections at even intervals keep identities better than the same number of
detections in bursts: on real sequences every faster rule that was tried (predictions that went wrong, overlaps, young
tracks) lost more by its gaps than it gained where it looked, see benchmarks/accuracy/interval.py. What pays is to
look seldom where nobody is and nothing moves, and to give one stream what another does not need.
"""

import math

import numpy as np
import numpy.typing as npt

from edge.types import Image, Tracks

USUAL_SHARE = 0.5  # of all frames

# The threshold of a budget follows what was granted: e-fold in 1 / pace frames that are all granted or all not. It
# begins low, since identities begin with detections, and in haste, to be right after a second.
_PACE, _HASTE = 0.02, 0.3
_CALM_FRAMES = 15
_BEGIN = 0.01
_LEAST, _MOST = 1e-3, 10.0

# Speed of a track, in heights a second, from places at least this far apart: a detector trembles by a few hundredths.
_BASELINE_S = 0.4
_BEGIN_SPEED = 0.5  # a person walks about one height a second, seen from the side
_LEAST_SPEED = 0.05
_LEARN = 0.1  # share of what five tracks in one frame say
_ENOUGH = 5

# Rate where nothing is tracked, and where moreover nothing changes.
_EMPTY, _STILL = 0.25, 0.02
# A pixel of the small picture has changed by so many grey levels, and so many of the pixels: a person 40 px high at
# 640x480 covers about ten.
_GREY_LEVELS = 24
_CHANGED_PIXELS = 8
_SMALL = 64  # columns of the small picture, 36 rows for a wide one


class Budget:
    """The share of all frames that may be detected on, of one stream or of several together; it may be changed.

    `granted` and `asked` count frames.
    """

    def __init__(self, share: float = USUAL_SHARE) -> None:
        self.share = share
        self.granted = self.asked = 0
        self._threshold = _BEGIN

    def grants(self, need: float) -> bool:
        """Whether the frame at hand gets a detection; always for an infinite `need`. Ask once for each frame."""
        granted = need >= self._threshold
        pace = max(_PACE, _HASTE / (1 + self.asked / _CALM_FRAMES))
        self._threshold *= math.exp(pace * (granted - self.share))
        self._threshold = min(max(self._threshold, _LEAST), _MOST)
        self.asked += 1
        self.granted += granted
        return granted


class Need:
    """What one stream knows about itself: how fast its tracks move, and what the picture looked like when last seen."""

    def __init__(self) -> None:
        self._speed = _BEGIN_SPEED
        self._places: dict[int, tuple[float, npt.NDArray[np.float32], float]] = {}  # time, centre, height by id
        self._unsure = 0
        self._small: Image | None = None

    def rate(self, image: Image, tracks: Tracks) -> float:
        """Heights a second that a track at hand is expected to move; less where none is."""
        if len(tracks) or self._unsure:
            return self._speed
        return _EMPTY if self._has_changed(image) else _STILL

    def look(self, image: Image) -> None:
        """Remember the picture that the detector is given."""
        self._small = small(image)

    def learn(self, time_s: float, tracks: Tracks, unsure: int) -> None:
        """Take the tracks of a frame that was detected on; `unsure` detections may become tracks and are none yet."""
        self._unsure = unsure
        places, speeds = {}, []
        centres = (tracks.boxes_xyxy[:, :2] + tracks.boxes_xyxy[:, 2:]) / 2
        heights = tracks.boxes_xyxy[:, 3] - tracks.boxes_xyxy[:, 1]
        for id_, centre, height in zip(tracks.ids.tolist(), centres, heights.tolist(), strict=True):
            before = self._places.get(id_)
            if before is not None and time_s - before[0] < _BASELINE_S:
                places[id_] = before
                continue
            if before is not None:
                then_s, place, size = before
                speeds.append(float(np.linalg.norm(centre - place)) / max(height, size, 1.0) / (time_s - then_s))
            places[id_] = time_s, centre, height
        self._places = places
        if speeds:
            pace = _LEARN * min(1.0, len(speeds) / _ENOUGH)
            self._speed += pace * (max(_LEAST_SPEED, float(np.mean(speeds))) - self._speed)

    def _has_changed(self, image: Image) -> bool:
        now, before = small(image), self._small
        if before is None or before.shape != now.shape:
            return True
        differs = np.abs(now.astype(np.int16) - before) > _GREY_LEVELS
        return int(differs.sum()) >= _CHANGED_PIXELS


def small(image: Image) -> Image:
    """A coarse copy of a picture's green, about `_SMALL` columns wide: every n-th pixel, which costs microseconds."""
    step = max(1, image.shape[1] // _SMALL) if image.ndim == 3 else 1
    return np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step, 1] if image.size else image[:0, :0, 0])
