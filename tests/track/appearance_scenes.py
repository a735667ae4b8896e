"""Streams with embeddings: bodies of several classes that walk, vanish, return and are detected twice now and then."""

import numpy as np

from edge import Detections


def gathering(
    bodies: int,
    frames: int,
    seed: int,
    *,
    classes: int = 3,
    size: int = 16,
    noise: float = 0.25,
    length: float = 1.0,
) -> list[Detections]:
    """A stream with embeddings of about `length`, offsets and centres, in no order, scores from .05 to 1."""
    random = np.random.default_rng(seed)
    centre, step = random.uniform(0, 500, (bodies, 2)), random.normal(0, 3, (bodies, 2))
    extent = random.uniform(20, 70, (bodies, 1)) * np.array([1.0, 2.2])
    means = random.normal(size=(bodies, size))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    kind = random.integers(0, classes, bodies)
    away = np.zeros(bodies, int)
    stream = []
    for _ in range(frames):
        before, centre = centre, centre + step
        step = np.where((centre < 0) | (centre > 500), -step, step)
        away = np.where(random.random(bodies) < 0.03, random.integers(1, 40, bodies), np.maximum(away - 1, 0))
        who = np.flatnonzero((away == 0) & (random.random(bodies) < 0.95))
        who = random.permutation(np.concatenate([who, who[random.random(len(who)) < 0.2]]))  # some twice
        n = len(who)
        corner = centre[who] - extent[who] / 2 + random.normal(0, 3, (n, 2))
        vectors = length * (means[who] + noise * random.normal(size=(n, size)) / np.sqrt(size) * 2)
        confused = np.where(random.random(n) < 0.03, random.integers(0, classes, n), kind[who])
        stream.append(
            Detections(
                np.concatenate([corner, corner + extent[who]], 1).astype(np.float32),
                random.uniform(0.05, 1, n).astype(np.float32),
                confused.astype(np.int32),
                vectors.astype(np.float32),
                (before[who] - centre[who] + random.normal(0, 2, (n, 2))).astype(np.float32),
                (corner + extent[who] / 2 + random.uniform(-2, 2, (n, 2))).astype(np.float32),
            )
        )
    return stream
