"""Training frames of the built-in scene for the detector, drawn on the fly on training seeds only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import cv2
import numpy as np

from edge.demo.scene import TRAINING_SEEDS, Options
from edge.demo.stage import Stage
from edge.types import Float32s, Image

INPUT = (832, 480)  # width and height: multiples of 32; at half of 1280 x 720 boxes are less exact, HOTA 4 lower
WINDOW = (320, 224)  # what a training step sees of a picture: more people a pixel than in whole ones
AROUND_SOMEBODY = 0.85  # of the windows
SIZES = ((1280, 720), (960, 540), (640, 360))
MOST_PEOPLE = 36  # fewer than this many are in a street
FRAMES_PER_STREET = 24
POOL = 300  # frames at hand, each served about SERVED times
SERVED = 10
LEAST_SHARE = 0.6  # of a window's sides: nearer than that nobody is brought


@dataclass(frozen=True)
class Sample:
    """A picture, uint8 BGR; `boxes_xyxy` `[G, 4]` in its pixels; `ignored` bool `[G]`.

    `labels` int64 `[G]` are the classes, None where all are of the first one.
    """

    image: Image
    boxes_xyxy: Float32s
    ignored: np.ndarray
    labels: np.ndarray | None = None


class View(NamedTuple):
    """What training sees of a picture: a `window` of it at the scale at which the network's `input` shows it whole."""

    input: tuple[int, int] = INPUT
    window: tuple[int, int] = WINDOW


BUILT_IN = View()


def street(number: int) -> Stage:
    """Training street `number`, counted from 0, of many kinds."""
    seed = TRAINING_SEEDS + number
    rng = np.random.default_rng([seed, 99])
    options = Options(
        people=int(rng.integers(8, MOST_PEOPLE)),
        seed=seed,
        size=SIZES[rng.integers(len(SIZES))],
        camera="moving" if rng.random() < 0.25 else "still",
    )
    return options.stage()


def samples(seed: int) -> Iterator[Sample]:
    """Endless samples: one newly drawn, then `SERVED` - 1 from the pool, each time augmented anew."""
    rng = np.random.default_rng([seed, 98])
    pool: list[Sample] = []
    for number in count(seed):
        stage, time_s = street(number), 0.0
        for _ in range(FRAMES_PER_STREET):
            time_s += float(rng.uniform(0.4, 2.5))
            stage.advance(time_s)
            image, truth = stage.shoot(1 / 30)
            sample = Sample(image, truth.boxes_xyxy, ~truth.counts(image.shape[0]))
            yield augment(sample, rng)
            if len(pool) < POOL:
                pool.append(sample)
            else:
                pool[rng.integers(POOL)] = sample
            for _ in range(SERVED - 1):
                yield augment(pool[rng.integers(len(pool))], rng)


def augment(sample: Sample, rng: np.random.Generator, view: View = BUILT_IN) -> Sample:
    """A window at the scale of `view`, now and then nearer, mirrored, of other brightness and tint."""
    picture = np.array(sample.image.shape[1::-1])
    size = picture / view.input * view.window * (rng.uniform(LEAST_SHARE, 1.0) if rng.random() < 0.5 else 1.0)
    corner = rng.uniform(0, 1, 2) * (picture - size)
    if len(sample.boxes_xyxy) and rng.random() < AROUND_SOMEBODY:
        box = sample.boxes_xyxy[rng.integers(len(sample.boxes_xyxy))]
        corner = np.clip((box[:2] + box[2:]) / 2 - rng.uniform(0.2, 0.8, 2) * size, 0, picture - size)
    sample = fitted(cut(sample, *corner.astype(int).tolist(), *size.astype(int).tolist()), view.window)
    image, boxes = sample.image, sample.boxes_xyxy
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
        boxes = boxes.copy()
        boxes[:, [0, 2]] = view.window[0] - boxes[:, [2, 0]]
    if rng.random() < 0.5:
        gains = rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
        table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table[:, None])
    return replace(sample, image=image, boxes_xyxy=boxes)


def fitted(sample: Sample, window: tuple[int, int] = WINDOW) -> Sample:
    """The sample resized to `window`."""
    height, width = sample.image.shape[:2]
    scale = np.array([window[0] / width, window[1] / height] * 2, np.float32)
    # Rounding may lead out of the picture.
    boxes = np.minimum(sample.boxes_xyxy * scale, np.array(window * 2, np.float32))
    return replace(sample, image=cv2.resize(sample.image, window), boxes_xyxy=boxes)


def cut(sample: Sample, x: int, y: int, width: int, height: int) -> Sample:
    """A part of a picture; people of whom less than 40 % is left are ignored."""
    boxes, size = sample.boxes_xyxy, (width, height)
    whole = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    boxes = np.clip(boxes - np.array([x, y, x, y]), 0, (*size, *size)).astype(np.float32)
    left = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / np.maximum(whole, 1e-6)
    some = left > 0.02
    image = np.ascontiguousarray(sample.image[y : y + height, x : x + width])
    labels = None if sample.labels is None else sample.labels[some]
    return Sample(image, boxes[some], (sample.ignored | (left < 0.4))[some], labels)
