"""What a privacy mask hides cannot be seen, and the rest can."""

import cv2
import numpy as np
import pytest

from edge.drawing.masks import PrivacyMask

TRIANGLE = [(0.25, 0.25), (0.75, 0.25), (0.5, 0.75)]


def noise(width: int = 320, height: int = 200) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_only_the_polygon_changes_and_all_of_it() -> None:
    image = noise()
    before = image.copy()
    PrivacyMask([TRIANGLE]).hide(image)
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.array([(80, 50), (240, 50), (160, 150)], np.int32)], 1)
    changed = (image != before).any(axis=2)
    assert not changed[inside == 0].any()
    assert changed[inside == 1].mean() > 0.99
    assert image[inside == 1].std() < 0.35 * before[inside == 1].std()  # squares of a mean grey


def test_letters_are_not_to_be_read_any_more() -> None:
    page = np.full((360, 640, 3), 255, np.uint8)
    cv2.putText(page, "NUMBER 1234", (200, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2)
    hidden = page.copy()
    PrivacyMask([[(0.2, 0.2), (0.9, 0.2), (0.9, 0.9), (0.2, 0.9)]]).hide(hidden)
    edges = [cv2.Laplacian(image[150:220, 190:420], cv2.CV_32F).std() for image in (page, hidden)]
    assert edges[1] < 0.5 * edges[0]
    values = len(np.unique(hidden[150:220, 190:420].reshape(-1, 3), axis=0))
    assert values <= (70 // 16 + 2) * (230 // 16 + 2)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (720, 1280, 3), (33, 17, 3)])
def test_every_size_of_picture_is_taken(shape: tuple[int, int, int]) -> None:
    mask = PrivacyMask([TRIANGLE, [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]])
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for _ in range(2):
        mask.hide(image)
    squares = len(np.unique(image.reshape(-1, 3), axis=0))
    assert squares <= 41 * 41


def test_without_polygons_nothing_changes() -> None:
    image = noise()
    PrivacyMask([]).hide(image)
    assert (image == noise()).all()
