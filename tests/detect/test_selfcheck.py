"""What is strange about boxes is said: nothing, everything, off the picture, all alike; good boxes are not."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import export.networks
from edge.detect import selfcheck
from edge.detect.pictures import built_in
from edge.types import Detections, Image
from export import cli
from export.commands import pack
from tests.detect.families import networks

WIDTH, HEIGHT = selfcheck.SIZE


def boxes(seed: int, count: int, *, size: float = 80, spread: float = 30, shift: float = 0) -> Detections:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 1, (count, 2)) * (WIDTH, HEIGHT) * 0.8 + shift
    sides = size + random.uniform(0, spread, (count, 2))
    found = np.hstack([corner, corner + sides]).astype(np.float32)
    return Detections(found, np.full(count, 0.6, np.float32), np.zeros(count, np.int32))


def seen(find: Callable[[int], Detections]) -> str:
    """The suspicion about a detector that finds `find(number of the picture)`."""
    numbers = iter(range(100))

    def detector(image: Image) -> Detections:
        return find(next(numbers))

    return selfcheck.suspicion(detector, selfcheck.pictures())  # type: ignore[arg-type]


def test_boxes_that_make_sense_raise_no_suspicion() -> None:
    assert seen(lambda i: boxes(i, 12)) == ""
    assert seen(lambda i: boxes(i, 1 if i else 0)) == ""


@pytest.mark.parametrize(
    ("find", "said"),
    [
        (lambda i: boxes(i, 0), "nothing is found in 3 pictures"),
        (lambda i: boxes(i, 400), "400 objects are found in one picture"),
        (lambda i: boxes(i, 12, shift=5000), "36 of 36 boxes lie off the picture"),
        (lambda i: boxes(i, 12, size=3000), "36 of 36 boxes lie off the picture, or are far larger than it"),
        (lambda i: boxes(i, 12, spread=0), "all 36 boxes have the same size"),
        (lambda i: boxes(1, 5), "the same boxes are found in 3 different pictures"),
    ],
)
def test_what_makes_no_sense_is_said(find: Callable[[int], Detections], said: str) -> None:
    assert seen(find).startswith(said)


def test_a_pack_of_a_detector_that_finds_nothing_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = networks.yolov8(tmp_path / "a.onnx", bias=-30.0)
    run = ["pack", "--detector", str(network), "-o", str(tmp_path / "a.pack"), "--force", "--boards", "cpu"]
    with caplog.at_level(logging.WARNING):
        assert cli.main(run) == 0
    assert "suspicious boxes: nothing is found in 3 pictures" in caplog.text


def test_the_pictures_of_the_calibration_are_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = networks.yolov8(tmp_path / "a.onnx", bias=-30.0)
    pictures = [built_in(90, 70, seed) for seed in range(5)]
    with caplog.at_level(logging.WARNING):
        pack.look(path, export.networks.detector(path), pictures)
    assert f"{path}: suspicious boxes: nothing is found in 5 pictures" in caplog.text
