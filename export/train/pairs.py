"""Pairs of frames of the built-in scene for the joint network, a moment apart, drawn on the fly on training seeds only.

They are served in couples: two windows on one person, seen in the same street at two times.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo.truth import Truth
from edge.types import Float32s, Image, Int64s
from export.train.crops import LEAST_VISIBLE
from export.train.frames import MOST_PEOPLE, street

INPUT = (640, 352)  # width and height of the network's pictures: 1280 x 720 by 2, and multiples of 32
WINDOW = (320, 192)  # what a training step sees of a picture: more people a pixel than in whole ones
WORLD = 450  # streets, visited again and again: appearance is learned from people who come back
APART_FRAMES = (1, 1, 1, 2, 3)  # of a pair, at 30 frames a second, each as often as it stands here
PAIRS_PER_STREET = 24
STREETS = 28  # at hand
SERVED = 24  # windows for each pair that is drawn
LEAST_LEFT = 0.4  # of a person in a window who is not ignored


@dataclass(frozen=True)
class Pair:
    """A picture and the one before it, uint8 BGR, and the G people in the picture.

    `boxes_xyxy` and `before_xyxy` float32 `[G, 4]` say where they are and were, NaN for who was not there. `identities`
    int64 `[G]` are unique in the world. `ignored` bool `[G]`: too hidden or too small to be
    expected; `clear` bool `[G]`: seen well enough to be known again.
    """

    image: Image
    before: Image
    boxes_xyxy: Float32s
    before_xyxy: Float32s
    identities: Int64s
    ignored: npt.NDArray[np.bool_]
    clear: npt.NDArray[np.bool_]


def couples(seed: int) -> Iterator[tuple[Pair, Pair]]:
    """Endless couples of windows, from the newest `STREETS` visits to streets of the world."""
    rng = np.random.default_rng([seed, 95])
    albums: deque[list[Pair]] = deque(maxlen=STREETS)
    while True:
        albums.append([])
        number = int(rng.integers(WORLD))
        stage, time_s = street(number), 0.0
        for _ in range(PAIRS_PER_STREET):
            time_s += float(rng.uniform(0.5, 3.0))
            stage.advance(time_s)
            earlier = stage.shoot(1 / 30)
            time_s += float(rng.choice(APART_FRAMES)) / 30
            stage.advance(time_s)
            albums[-1].append(_pair(stage.shoot(1 / 30), earlier, number * MOST_PEOPLE))
            for _ in range(SERVED // 2):
                yield couple(albums[rng.integers(len(albums))], rng)


def _pair(now: tuple[Image, Truth], earlier: tuple[Image, Truth], first_identity: int) -> Pair:
    (image, truth), (before, truth_before) = now, earlier
    height, width = image.shape[:2]
    scale = np.array([INPUT[0] / width, INPUT[1] / height] * 2, np.float32)
    known = dict(zip(truth_before.ids.tolist(), truth_before.boxes_xyxy, strict=True))
    nowhere = np.full(4, np.nan, np.float32)
    boxes_before = np.array([known.get(person, nowhere) for person in truth.ids.tolist()], np.float32).reshape(-1, 4)
    ignored = ~truth.counts(height)
    clear = ~ignored & (truth.visibility >= LEAST_VISIBLE)
    boxes = truth.boxes_xyxy * scale, boxes_before * scale
    pictures = cv2.resize(image, INPUT), cv2.resize(before, INPUT)
    return Pair(*pictures, *boxes, truth.ids + first_identity, ignored, clear)


def couple(album: list[Pair], rng: np.random.Generator) -> tuple[Pair, Pair]:
    """Windows of two pairs around one person, if there is somebody to be known again."""
    first, second = (album[k] for k in rng.choice(len(album), 2, replace=len(album) < 2))
    both = np.intersect1d(first.identities[first.clear], second.identities[second.clear])
    person = int(rng.choice(both)) if len(both) and rng.random() < 0.9 else -1
    return augment(first, person, rng), augment(second, person, rng)


def augment(pair: Pair, person: int, rng: np.random.Generator) -> Pair:
    """A `WINDOW` around `person` (-1: anywhere), now and then nearer, mirrored, of other light, or standing still."""
    if rng.random() < 0.06:
        pair = replace(pair, before=pair.image, before_xyxy=pair.boxes_xyxy)  # as a first frame is served
    size = np.array(WINDOW) * (rng.uniform(0.65, 1.0) if rng.random() < 0.3 else 1.0)
    spare = INPUT - size
    corner = rng.uniform(0, 1, 2) * spare
    if person in pair.identities:
        box = pair.boxes_xyxy[np.flatnonzero(pair.identities == person)[0]]
        corner = np.clip((box[:2] + box[2:]) / 2 - rng.uniform(0.2, 0.8, 2) * size, 0, spare)
    pair = cut(pair, np.concatenate([corner, corner + size]).round().astype(int))
    if rng.random() < 0.5:
        pair = _mirrored(pair)
    if rng.random() < 0.5:
        gains = rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
        table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)[:, None]
        pair = replace(pair, image=cv2.LUT(pair.image, table), before=cv2.LUT(pair.before, table))
    return pair


def cut(pair: Pair, part: npt.NDArray[np.int_]) -> Pair:
    """The part x0, y0, x1, y1 of both pictures, resized to `WINDOW`; who is mostly outside is ignored."""
    x0, y0, x1, y1 = part.tolist()
    shift = np.array([x0, y0] * 2, np.float32)
    scale = np.array([WINDOW[0] / (x1 - x0), WINDOW[1] / (y1 - y0)] * 2, np.float32)
    whole = np.prod(pair.boxes_xyxy[:, 2:] - pair.boxes_xyxy[:, :2], axis=1) * scale[0] * scale[1]
    boxes, before = (
        np.clip((b - shift) * scale, 0, (*WINDOW, *WINDOW)).astype(np.float32)
        for b in (pair.boxes_xyxy, pair.before_xyxy)
    )
    before[(before[:, 2:] <= before[:, :2]).any(1)] = np.nan
    left = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / np.maximum(whole, 1e-6)
    some, hardly = left > 0.02, left < LEAST_LEFT
    images = [cv2.resize(image[y0:y1, x0:x1], WINDOW) for image in (pair.image, pair.before)]
    ignored, clear = pair.ignored | hardly, pair.clear & ~hardly
    return Pair(images[0], images[1], boxes[some], before[some], pair.identities[some], ignored[some], clear[some])


def _mirrored(pair: Pair) -> Pair:
    boxes, before = pair.boxes_xyxy.copy(), pair.before_xyxy.copy()
    for b in (boxes, before):
        b[:, [0, 2]] = WINDOW[0] - b[:, [2, 0]]
    images = cv2.flip(pair.image, 1), cv2.flip(pair.before, 1)
    return replace(pair, image=images[0], before=images[1], boxes_xyxy=boxes, before_xyxy=before)
