"""How much a stream needs detections, and how streams share a budget of them.

The error of a predicted box is about speed times gap. For streams that share a budget of detections the mean error is
least when each gets a share in proportion to the square root of its speed; that is what a stream asks for. An empty,
static scene asks for very little, and what it saves goes to the others, or to itself later.

Within a stream detections come at even intervals on purpose. In a few trials on real sequences, rules that spent more
of a fixed budget at once (after wrong predictions, at overlaps, for young tracks) lost more identities in the longer
gaps that paid for it than they saved.
"""

import math
import weakref

import numpy as np
import numpy.typing as npt

from edge.types import Image, Tracks

USUAL_SHARE = 0.5  # of all frames

_MEMORY_S = 20.0  # of what a stream wished for
# Detections that may be saved up or owed: what is not needed now is not for a burst a moment later.
_MOST_SAVED, _MOST_OWED = 1.5, 1.0
_AT_ONCE = 3.0  # in the first frames, since identities begin with detections

# Speed of a track, in heights a second, from places at least this far apart: a detector trembles by a few hundredths.
_BASELINE_S = 0.4
_BEGIN_SPEED = 0.5  # a person walks about one height a second, seen from the side
_LEAST_SPEED = 0.05
_LEARN = 0.03  # share of what five tracks in one frame say
_ENOUGH = 5

# Speeds to go by where nothing is tracked, and where moreover nothing changes.
_EMPTY, _STILL = 0.25, 0.0004
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
        self._claims: weakref.WeakSet[Claim] = weakref.WeakSet()

    def claim(self) -> "Claim":
        """A stream's part in it, as long as the stream keeps that."""
        claim = Claim(self)
        self._claims.add(claim)
        return claim

    def detections_per_wish(self) -> float:
        """What wishes are multiplied by, so that all streams together get `share` and none more than every frame."""
        limited = [claim for claim in self._claims if claim.frame_rate > 0]
        left = self.share * sum(claim.frame_rate for claim in limited)
        while limited:
            scale = left / max(sum(claim.frame_rate * claim.wish for claim in limited), 1e-9)
            full = [claim for claim in limited if scale * claim.wish > 1]
            if not full or len(full) == len(limited):
                return scale
            left -= sum(claim.frame_rate for claim in full)
            limited = [claim for claim in limited if scale * claim.wish <= 1]
        return 1.0


class Claim:
    """One stream's part in a budget: `wish` is what it wanted for a frame, on average, `frame_rate` frames a second."""

    def __init__(self, budget: Budget) -> None:
        self.wish = self.frame_rate = 0.0
        self._budget = budget
        self._saved = _AT_ONCE

    def grants(self, wish_per_s: float, frame_s: float, *, held: bool = False, forced: bool = False) -> bool:
        """Whether the frame at hand, `frame_s` after the one before it, gets a detection. Ask once for each frame.

        One that is `held` gets none, one that is `forced` gets one in any case.
        """
        wish = wish_per_s * frame_s
        first = self.frame_rate == 0
        if frame_s > 0:
            part = 1.0 if first else min(1.0, frame_s / _MEMORY_S)
            self.wish += part * (wish - self.wish)
            self.frame_rate += (1.0 if first else part) * (1 / frame_s - self.frame_rate)
        if self._saved < _MOST_SAVED:
            self._saved += min(1.0, self._budget.detections_per_wish() * wish)
        granted = forced or (self._saved >= 1 and not held)
        self._saved = max(self._saved - granted, -_MOST_OWED)
        self._budget.asked += 1
        self._budget.granted += granted
        return granted


class Need:
    """What one stream knows about itself: how fast its tracks move, and what the picture looked like when last seen."""

    def __init__(self) -> None:
        self._speed = _BEGIN_SPEED
        self._places: dict[int, tuple[float, npt.NDArray[np.float32], float]] = {}  # time, centre, height by id
        self._unsure = 0
        self._small: Image | None = None

    def wish_per_s(self, image: Image, tracks: Tracks) -> float:
        """Detections a second that the stream wishes for, to some scale that is the same for all streams."""
        speed = self._speed
        if not len(tracks) and not self._unsure:
            speed = _EMPTY if self._has_changed(image) else _STILL
        return math.sqrt(speed)

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
