"""Every picture that a caller hands in is converted where that is certain, and refused where it is not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.detect.joint import JointDetector
from edge.detect.open import open_detector
from edge.detect.preprocess import Preprocess, bgr
from edge.errors import InputError
from edge.infer.ladder import Wish
from edge.modelpack import ImageInput
from edge.reid.open import open_embedder
from export.cli import main as export
from tests import joint_net, tiny

PICTURE = np.random.default_rng(1).integers(0, 256, (60, 80, 3)).astype(np.uint8)
GREY = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2GRAY)
WRONG = {
    "float": PICTURE / 255,
    "float32": PICTURE.astype(np.float32),
    "16 bit": PICTURE.astype(np.uint16) * 257,
    "none": None,
    "a list": PICTURE.tolist(),
    "empty": PICTURE[:0],
    "no width": PICTURE[:, :0],
    "two channels": PICTURE[..., :2],
    "a batch": PICTURE[None],
    "bool": PICTURE > 9,
    "too wide": np.zeros((1, 40_000, 3), np.uint8),
}


def test_bgr_is_taken_as_it_is() -> None:
    assert bgr(PICTURE) is PICTURE


def test_grey_and_bgra_are_converted() -> None:
    three = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(bgr(GREY), three)
    np.testing.assert_array_equal(bgr(GREY[..., None]), three)
    np.testing.assert_array_equal(bgr(np.dstack([PICTURE, GREY])), PICTURE)


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused_with_what_was_found(name: str) -> None:
    with pytest.raises(InputError, match=r"^image: expected .*, found "):
        bgr(WRONG[name])


@pytest.mark.parametrize("resize", ["squash", "letterbox", "letterbox-rounded", "letterbox-centre", "centre"])
@pytest.mark.parametrize("layout", ["nhwc-uint8", "nchw-float32", "nchw-float16"])
def test_no_picture_leaves_what_was_there_before(resize: str, layout: str) -> None:
    wanted = ImageInput("x", 48, 32, layout, "bgr", (0, 0, 0), (1, 1, 1), resize)  # type: ignore[arg-type]
    shape = (1, 32, 48, 3) if layout == "nhwc-uint8" else (1, 3, 32, 48)
    tensor, again = (np.zeros(shape, layout.partition("-")[2]) for _ in range(2))
    fill, fresh = Preprocess(wanted, tensor), Preprocess(wanted, again)
    flipped = PICTURE[:, ::-1]  # a view with a negative stride
    turned = np.asfortranarray(PICTURE)
    for other in (GREY, GREY[..., None], np.dstack([PICTURE, GREY]), flipped, PICTURE[::2, 1::2], turned):
        fill(np.full((50, 70, 3), 99, np.uint8))
        fill(other)
        fresh(np.ascontiguousarray(bgr(other)))
        np.testing.assert_array_equal(tensor, again)


def test_detectors_and_embedders_refuse_what_is_no_picture(tiny_pack: Path, tmp_path: Path) -> None:
    network, pack = joint_net.write(tmp_path / "joint.onnx"), tmp_path / "joint.pack"
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(pack)]) == 0
    joint = open_detector(pack)
    assert isinstance(joint, JointDetector)
    embedder = open_embedder(tiny.write_pack(tmp_path / "tiny.pack", reid=True), Wish())
    box = np.array([[0, 0, 20, 20]], np.float32)
    for wrong in WRONG.values():
        for call in (open_detector(tiny_pack), joint, lambda image: embedder(image, box)):
            with pytest.raises(InputError, match="image: expected"):
                call(wrong)


def test_a_grey_picture_is_detected_in_like_its_bgr(tiny_pack: Path) -> None:
    detector = open_detector(tiny_pack)
    white = tiny.picture(60)
    expected = detector(white)
    detector(np.zeros_like(white))
    found = detector(cv2.cvtColor(white, cv2.COLOR_BGR2GRAY))
    assert len(found) > 0
    np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
