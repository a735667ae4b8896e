"""Crops of people of the built-in scene, each seen at several times and distances."""

import signal
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from edge.console.running import Progress
from edge.demo.scene import Options
from edge.types import Image

LEAST_VISIBLE = 0.6
LEAST_HEIGHT_PX = 36
SHOTS = 14
INTERVAL_S = 3.5  # a person is elsewhere by then, turned differently and often in another light
PEOPLE = 30


@dataclass(frozen=True)
class Crop:
    """One picture of one person, uint8 BGR of its own size. `identity` is unique over streets."""

    image: Image
    identity: int
    time_s: float

    @property
    def height_px(self) -> int:
        """How tall the person appears."""
        return self.image.shape[0]


def collect(seeds: Iterable[int], people: int = PEOPLE, shots: int = SHOTS, workers: int = 1) -> list[Crop]:
    """Crops of everybody who is seen well enough, `shots` times a street; `workers` processes draw them."""
    seeds, draw = list(seeds), partial(_street, people=people, shots=shots)
    if workers == 1:
        return _all(map(draw, seeds), len(seeds))
    context = get_context("fork")
    with ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        return _all(pool.map(draw, seeds), len(seeds))


def _all(streets: Iterable[list[Crop]], count: int) -> list[Crop]:
    """The crops of all streets, with progress: drawing hundreds takes minutes."""
    crops = []
    with Progress(count) as progress:
        for street in streets:
            crops += street
            progress.advance(f"streets drawn, {len(crops)} crops")
    return crops


def _street(seed: int, people: int, shots: int) -> list[Crop]:
    crops = []
    rng = np.random.default_rng([seed, 97])
    stage = Options(people=people, seed=seed).stage()
    for shot in range(shots):
        time_s = shot * INTERVAL_S
        stage.advance(time_s)
        image, truth = stage.shoot(1 / 30)
        tall = truth.boxes_xyxy[:, 3] - truth.boxes_xyxy[:, 1]
        for i in np.flatnonzero((truth.visibility >= LEAST_VISIBLE) & (tall >= LEAST_HEIGHT_PX)).tolist():
            cut = _cut(image, truth.boxes_xyxy[i], rng)
            crops.append(Crop(cut, seed * 1000 + int(truth.ids[i]), time_s))
    return crops


def _cut(image: Image, box: np.ndarray, rng: np.random.Generator) -> Image:
    """The box as a detector would find it: off by a few percent."""
    size = np.tile(box[2:] - box[:2], 2)
    x0, y0, x1, y1 = box + rng.normal(0, 0.03, 4) * size
    height, width = image.shape[:2]
    x0, y0 = int(np.clip(x0, 0, width - 8)), int(np.clip(y0, 0, height - 16))
    x1, y1 = int(np.clip(x1, x0 + 8, width)), int(np.clip(y1, y0 + 16, height))
    return image[y0:y1, x0:x1].copy()
