"""At the border of the picture: who leaves keeps the identity, who enters there soon afterwards gets another."""

import numpy as np
import pytest

from edge import Detections, Tracker

RATE, WIDTH = 25.0, 1920.0
HEIGHT_PX, BODY_PX = 200.0, 80.0
NOISE_PX = 2.0


def _ids_seen(speed: float, gap_s: float, seed: int) -> tuple[set[int], set[int]]:
    """Ids of one who walks out of the picture at the right and of one who walks in there `gap_s` later.

    Both walk at `speed` body heights a second; their boxes are cut at the border, and a detector sees them while at
    least a quarter of the body is inside.
    """
    random, tracker, pixels_s = np.random.default_rng(seed), Tracker(frame_rate=RATE), speed * HEIGHT_PX
    left_s = (WIDTH + BODY_PX / 2 - 1500) / pixels_s
    seen: tuple[set[int], set[int]] = set(), set()
    for frame in range(int((left_s + gap_s + 3) * RATE)):
        time_s = frame / RATE
        middles = 1500 + pixels_s * time_s, WIDTH + BODY_PX / 2 - pixels_s * (time_s - left_s - gap_s)
        boxes, who = [], []
        for person, x in enumerate(middles):
            box = np.array([x - BODY_PX / 2, 500, x + BODY_PX / 2, 500 + HEIGHT_PX]) + random.normal(0, NOISE_PX, 4)
            inside = (min(x + BODY_PX / 2, WIDTH) - x + BODY_PX / 2) / BODY_PX
            if inside >= 0.25 and (person == 0 or time_s >= left_s + gap_s):
                box[2] = min(box[2], WIDTH)
                boxes.append(box)
                who.append(person)
        scores = np.full(len(boxes), 0.7, np.float32)
        tracks = tracker.update(Detections(np.array(boxes, np.float32).reshape(-1, 4), scores), time_s)
        for number, row in zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True):
            if row >= 0:
                seen[who[row]].add(number)
    return seen


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("gap_s", [0.4, 0.8, 1.5])
def test_who_leaves_does_not_lend_the_identity_to_who_enters(speed: float, gap_s: float) -> None:
    for seed in range(4):
        left, entered = _ids_seen(speed, gap_s, seed)
        assert len(left) == 1
        assert entered
        assert not left & entered
