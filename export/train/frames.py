"""Training frames of the built-in scene for the detector, drawn on the fly on training seeds only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge.demo.scene import TRAINING_SEEDS, Options
from edge.demo.stage import Stage
from edge.types import Float32s, Image

INPUT = (640, 352)  # width and height: 1280 x 720 by 2, and multiples of 32
WINDOW = (320, 192)  # what a training step sees of it: more people a pixel than in whole pictures
SIZES = ((1280, 720), (960, 540), (640, 360))
FRAMES_PER_STREET = 16
POOL = 400  # frames at hand, each served about SERVED times
SERVED = 6


@dataclass(frozen=True)
class Sample:
    """A picture, uint8 BGR; `boxes_xyxy` `[G, 4]` in its pixels; `ignored` bool `[G]`."""

    image: Image
    boxes_xyxy: Float32s
    ignored: np.ndarray


def streets(seed: int) -> Iterator[tuple[Stage, np.random.Generator]]:
    """Endless training streets of many kinds, from `TRAINING_SEEDS` + `seed` on."""
    number = TRAINING_SEEDS + seed
    while True:
        rng = np.random.default_rng([number, 99])
        options = Options(
            people=int(rng.integers(8, 36)),
            seed=number,
            size=SIZES[rng.integers(len(SIZES))],
            camera="moving" if rng.random() < 0.25 else "still",
        )
        yield options.stage(), rng
        number += 1


def samples(seed: int) -> Iterator[Sample]:
    """Endless samples: one newly drawn, then `SERVED` - 1 from the pool, each time augmented anew."""
    rng = np.random.default_rng([seed, 98])
    pool: list[Sample] = []
    for stage, street_rng in streets(seed):
        time_s = 0.0
        for _ in range(FRAMES_PER_STREET):
            time_s += float(street_rng.uniform(0.4, 2.5))
            stage.advance(time_s)
            image, truth = stage.shoot(1 / 30)
            sample = Sample(image, truth.boxes_xyxy, ~truth.counts(image.shape[0]))
            yield augment(sample, rng)
            small = fitted(sample)
            if len(pool) < POOL:
                pool.append(small)
            else:
                pool[rng.integers(POOL)] = small
            for _ in range(SERVED - 1):
                yield augment(pool[rng.integers(len(pool))], rng)


def fitted(sample: Sample) -> Sample:
    """The sample squashed to `INPUT` as the runtime does it."""
    height, width = sample.image.shape[:2]
    scale = np.array([INPUT[0] / width, INPUT[1] / height] * 2, np.float32)
    return replace(sample, image=cv2.resize(sample.image, INPUT), boxes_xyxy=sample.boxes_xyxy * scale)


def augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """A `WINDOW` at the scale of `INPUT`, now and then nearer, mirrored, of other brightness and tint."""
    if rng.random() < 0.3:
        height, width = sample.image.shape[:2]
        share = rng.uniform(0.65, 1.0)
        w, h = round(width * share), round(height * share)
        sample = cut(sample, int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h)
    sample = fitted(sample)
    sample = cut(sample, *_window(sample, rng), *WINDOW)
    image, boxes = sample.image, sample.boxes_xyxy
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
        boxes = boxes.copy()
        boxes[:, [0, 2]] = WINDOW[0] - boxes[:, [2, 0]]
    if rng.random() < 0.5:
        gains = rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
        table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table[:, None])
    return Sample(image, boxes, sample.ignored)


def _window(sample: Sample, rng: np.random.Generator) -> tuple[int, int]:
    """The upper left corner of a window, mostly around somebody."""
    spare = INPUT[0] - WINDOW[0], INPUT[1] - WINDOW[1]
    x, y = rng.uniform(0, 1, 2) * spare
    if len(sample.boxes_xyxy) and rng.random() < 0.85:
        box = sample.boxes_xyxy[rng.integers(len(sample.boxes_xyxy))]
        x, y = (box[:2] + box[2:]) / 2 - rng.uniform(0.2, 0.8, 2) * WINDOW
    return int(np.clip(x, 0, spare[0])), int(np.clip(y, 0, spare[1]))


def cut(sample: Sample, x: int, y: int, width: int, height: int) -> Sample:
    """A part of a picture; people of whom less than 40 % is left are ignored."""
    boxes, size = sample.boxes_xyxy, (width, height)
    whole = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    boxes = np.clip(boxes - np.array([x, y, x, y]), 0, (*size, *size)).astype(np.float32)
    left = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / np.maximum(whole, 1e-6)
    some = left > 0.02
    image = np.ascontiguousarray(sample.image[y : y + height, x : x + width])
    return Sample(image, boxes[some], (sample.ignored | (left < 0.4))[some])
