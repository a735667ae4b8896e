import itertools

import numpy as np
import pytest

from edge.drawing.painter import Painter, colour_of, draw
from edge.errors import InputError
from edge.types import Tracks
from tests.sinks.tracks import tracks


def test_a_colour_belongs_to_an_identity_and_differs_from_those_around_it() -> None:
    assert colour_of(7) == colour_of(7)
    for a, b in itertools.combinations([colour_of(id_) for id_ in range(1, 9)], 2):
        assert np.abs(np.subtract(a, b)).sum() > 60


def painted(*frames: Tracks, size: tuple[int, int] = (128, 96)) -> np.ndarray:
    painter = Painter(30.0, ())
    for shown in frames:
        canvas = np.zeros((size[1], size[0], 3), np.uint8)
        painter.paint(canvas, shown)
    return canvas


def test_the_box_has_the_identitys_colour() -> None:
    canvas = painted(tracks(5))
    smooth = np.float64(canvas[40, 10]) @ colour_of(5)  # an edge between pixels is dimmer, not of another colour
    assert smooth > 0.99 * np.linalg.norm(canvas[40, 10]) * np.linalg.norm(colour_of(5)) > 0
    assert not canvas[30:55, 14:20].any()  # nothing inside the box


def test_a_trail_follows_the_feet_while_the_identity_is_shown() -> None:
    moving = [tracks(5, left=10.0 + 4 * step) for step in range(15)]
    canvas = painted(*moving)
    assert canvas[58:63, 20:55].any()
    gone = painted(*moving, tracks(6, left=100.0))
    assert not gone[58:63, 20:55].any()


def test_an_identity_without_a_detection_has_a_thinner_box() -> None:
    seen, predicted = tracks(5), tracks(5)
    predicted.detection_index[:] = -1
    size = (1280, 960)
    assert (painted(predicted, size=size) > 0).sum() < (painted(seen, size=size) > 0).sum()


@pytest.mark.parametrize("box", [[-50, -50, 10, 10], [-1e9, -1e9, 1e9, 1e9], [120, 90, 300, 300], [500, 500, 600, 600]])
def test_boxes_beyond_the_picture_do_no_harm(box: list[float]) -> None:
    outside = tracks(1)
    outside.boxes_xyxy[0] = box
    assert painted(outside, outside).shape == (96, 128, 3)


def test_class_names_are_shown_where_given() -> None:
    plain, named = np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128, 3), np.uint8)
    Painter(30.0, ()).paint(plain, tracks(1))
    Painter(30.0, ("person",)).paint(named, tracks(1))
    assert (named[:20] > 0).sum() > (plain[:20] > 0).sum()


def test_pictures_of_other_kinds_are_refused() -> None:
    for image in (None, np.zeros((96, 128)), np.zeros((96, 128, 3)), "street.png"):
        with pytest.raises(InputError, match="image: expected uint8"):
            draw(image, tracks(5))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected the Tracks of a tracker, found list"):
        draw(np.zeros((96, 128, 3), np.uint8), [])  # type: ignore[arg-type]
