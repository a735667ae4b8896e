"""Nothing is detected where it is excluded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.chain.chain import Chain
from edge.chain.detections import Recorded
from edge.chain.excluded import Exclusion
from edge.track.tracker import Tracker
from edge.types import Detections, Frame

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]


def standing(*feet: tuple[float, float]) -> Detections:
    boxes = np.array([[x - 5, y - 30, x + 5, y] for x, y in feet], np.float32).reshape(-1, 4)
    return Detections(boxes, np.linspace(0.9, 0.5, len(feet), dtype=np.float32), np.zeros(len(feet), np.int32))


@given(st.lists(st.tuples(st.floats(-20, 220), st.floats(-20, 150))))
def test_who_has_his_feet_there_is_not_seen(feet: list[tuple[float, float]]) -> None:
    found = Exclusion([LEFT])(standing(*feet), (200, 100))
    kept = [(float(b[0] + b[2]) / 2, float(b[3])) for b in found.boxes_xyxy]
    assert all(x > 98 for x, _ in kept)
    assert sum(x > 101.5 for x, _ in feet) <= len(found) <= sum(x > 98.5 for x, _ in feet)


def test_pictures_of_two_sizes_and_of_none() -> None:
    exclusion, found = Exclusion([LEFT]), standing((60, 90), (150, 90))
    assert len(exclusion(found, (200, 100))) == 1
    assert len(exclusion(found, (400, 200))) == 0
    assert len(exclusion(found, (0, 0))) == 2  # recorded detections without pictures
    assert Exclusion([])(found, (200, 100)) is found


def test_a_chain_follows_nobody_there() -> None:
    recorded = Recorded([standing((150, 90), (60, 90))] * 30)
    chain = Chain(recorded, Tracker("bytetrack"), excluded=[LEFT])
    for number in range(1, 31):
        tracks = chain(Frame(np.zeros((100, 200, 3), np.uint8), number, number / 30))
    assert tracks.boxes_xyxy[:, 0].round().tolist() == [145]
    assert len(chain.detections) == 1
