"""Joint networks: decoding of a network whose outputs are known, the frame before, and what tracks leave behind."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.detect.families import joint
from edge.detect.joint import JointDetector, gaussian_radius
from edge.detect.open import open_detector
from edge.errors import DataError, UsageError
from edge.infer.open import open_backend
from edge.modelpack import ModelPack, read
from edge.types import Image, Tracks
from export.cli import main as export
from tests import joint_net

BLUE, WHITE, PINK = (255, 0, 0), (255, 255, 255), (200, 160, 255)


def picture(*blocks: tuple[int, int, tuple[int, int, int]], size: tuple[int, int] = (192, 108)) -> Image:
    """Blocks (x, y, colour) of 8 x 8 pixels on black. At 192 x 108 x = 8c and y = 8r - 10 lie on cell (c, r)."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y, colour in blocks:
        image[y : y + 8, x : x + 8] = colour
    return image


def packed(folder: Path, **options: bool) -> ModelPack:
    network = joint_net.write(folder / "joint.onnx", **options)
    target = folder / "joint.pack"
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(target)]) == 0
    return read(target)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    return packed(tmp_path_factory.mktemp("joint"))


def opened(pack: ModelPack, *classes: str, floor: float = 0.5) -> JointDetector:
    detector = open_detector(pack, classes=classes or ("person",), floor=floor)
    assert isinstance(detector, JointDetector)
    return detector


def normalised(colour: tuple[int, int, int]) -> np.ndarray:
    return (np.array(colour) - joint.MEAN_BGR) / joint.STD_BGR


@pytest.mark.parametrize("sized", [False, True])
def test_peaks_become_boxes_centres_and_embeddings_in_source_pixels(tmp_path: Path, sized: bool) -> None:
    """The source is twice the input and lies 5 of its rows down: a cell is 8 pixels, row 0 begins at -10."""
    found = opened(packed(tmp_path, sized=sized))(picture((40, 30, PINK), (120, 70, WHITE)))
    assert found.centres is not None
    assert found.embeddings is not None
    assert found.centres.tolist() == [[120, 70], [40, 30]]  # the brighter first
    left, top, right, bottom = joint_net.EDGES
    assert found.boxes_xyxy[1].tolist() == [40 + 8 * left, 30 + 8 * top, 40 + 8 * right, 30 + 8 * bottom]
    means = [normalised(colour).mean() for colour in (WHITE, PINK)]
    assert found.scores == pytest.approx(1 / (1 + np.exp(-4 * np.array(means))), abs=1e-5)
    for look, colour in zip(found.embeddings, (WHITE, PINK), strict=True):
        wanted = normalised(colour) / np.linalg.norm(normalised(colour))
        assert look == pytest.approx(wanted, abs=1e-5)
    assert found.boxes_xyxy.dtype == found.centres.dtype == found.embeddings.dtype == np.float32


def test_classes_are_told_apart_and_chosen(pack: ModelPack) -> None:
    image = picture((40, 30, BLUE), (120, 70, WHITE))
    people, cars = opened(pack, floor=0.8)(image), opened(pack, "car", floor=0.8)(image)
    assert (people.centres.tolist(), cars.centres.tolist()) == ([[120, 70]], [[40, 30]])  # type: ignore[union-attr]
    both = opened(pack, "car", "person", floor=0.8)(image)
    assert dict(zip(both.centres[:, 0].tolist(), both.classes.tolist(), strict=True)) == {120: 0, 40: 1}  # type: ignore[index,union-attr]
    with pytest.raises(UsageError, match="no such class"):
        opened(pack, "dog")


def test_offsets_are_seen_in_the_frame_before_and_the_first_frame_has_itself(pack: ModelPack) -> None:
    """The network's offset is what the frame before had at the peak, in cells of 8 pixels."""
    detector = opened(pack)
    for stream in range(2):
        here, there = detector(picture((40, 30, WHITE))), detector(picture((120, 70, WHITE)))
        again = detector(picture((120, 70, WHITE)))
        assert here.offsets is not None
        assert there.offsets is not None
        assert again.offsets is not None
        assert here.offsets[0] == pytest.approx(8 * normalised(WHITE)[:2], abs=1e-4), stream
        assert there.offsets[0] == pytest.approx(8 * normalised((0, 0, 0))[:2], abs=1e-4)
        assert again.offsets[0] == pytest.approx(8 * normalised(WHITE)[:2], abs=1e-4)
        detector.reset()


def test_a_portrait_is_scaled_by_its_height_and_loses_nothing_of_its_middle(pack: ModelPack) -> None:
    """108 x 192 into 96 x 64: one half as large, 21 columns from the left, 16 of its rows above the input."""
    found = opened(pack)(picture((40, 80, WHITE), size=(112, 192)))
    ((x, y),) = found.centres.tolist()  # type: ignore[union-attr]
    assert abs(x - 40) <= 8
    assert abs(y - 80) <= 8


def test_the_heat_map_lies_where_the_peaks_are(pack: ModelPack) -> None:
    detector = opened(pack)
    detector(picture((40, 30, WHITE)))
    assert detector.heatmap.shape == (16, 24)
    assert np.unravel_index(detector.heatmap.argmax(), detector.heatmap.shape) == (5, 5)
    assert detector.heatmap.max() <= 1


def test_tracks_are_drawn_for_networks_that_look_at_them(tmp_path: Path) -> None:
    detector = opened(packed(tmp_path, tracks=True))
    image = picture((40, 30, WHITE))
    first = detector(image)
    plain = first.offsets.copy()  # type: ignore[union-attr]
    box = np.array([[20, 10, 60, 90]], np.float32)  # in the input: 10, 10 to 30, 50; its middle is 20, 30
    detector.feedback(
        Tracks(np.ones(1, np.int64), box, np.ones(1, np.float32), np.zeros(1, np.int32), np.zeros(1, np.int32))
    )
    looked = detector(image).offsets
    canvas = detector.backend.inputs["pre_hm"][0, 0]
    assert np.unravel_index(canvas.argmax(), canvas.shape) == (30, 20)
    assert canvas.max() == pytest.approx(1)
    radius = int(gaussian_radius(40, 20))
    assert np.ptp(np.nonzero(canvas)[1]) == 2 * radius
    drawn = canvas[20:24, 20:24].mean()
    assert looked[0] == pytest.approx(plain[0] + 8 * drawn, abs=1e-4)  # type: ignore[index]
    detector.reset()
    detector(image)
    assert not canvas.any()


def test_the_published_radius() -> None:
    """For a square of 100 the third equation decides: (-280 + sqrt(280^2 + 4 * 2.8 * 3000)) / 2."""
    assert gaussian_radius(100, 100) == pytest.approx((112_000**0.5 - 280) / 2)


def test_broken_networks_are_named(tmp_path: Path) -> None:
    network = joint_net.write(tmp_path / "raw.onnx")
    with pytest.raises(UsageError, match="nanotrack-export pack"):
        open_detector(network)
    dead = packed(tmp_path, dead=True)
    backend = open_backend(dead.path(dead.detector.variants["fp32"]))
    with pytest.raises(DataError, match="NaN"):
        JointDetector(dead.detector, backend)(picture())
    with pytest.raises(DataError, match="lacks"):
        JointDetector(dead.detector, open_backend(network))


def test_a_picture_in_the_middle_is_where_the_scale_says() -> None:
    from edge.detect.preprocess import Preprocess
    from edge.modelpack import ImageInput

    wanted = ImageInput("image", 96, 64, "nhwc-uint8", "bgr", (0, 0, 0), (1, 1, 1), resize="centre")
    tensor = np.full((1, 64, 96, 3), 7, np.uint8)
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (54, 96, 3), np.uint8), (5, 5), 0)
    scale = Preprocess(wanted, tensor)(image)
    assert scale == (1, 1, 0, -5)
    assert np.array_equal(tensor[0, 5:59], image)
    assert not tensor[0, :5].any()
    assert not tensor[0, 59:].any()
