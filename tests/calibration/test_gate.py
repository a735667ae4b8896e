import numpy as np
import pytest

from calibration import precision
from calibration.gate import Agreement, Cells, Likeness, Limits
from calibration.runtime import perturbed
from calibration.sensitivity import Unit, paying
from edge.modelpack import Detector, Head, ImageInput, Source
from edge.types import Detections


def _seen(*rows: tuple[float, float, float, float, int]) -> Detections:
    """Detections from (x, y, size, score, class)."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.stack([table[:, 0], table[:, 1], table[:, 0] + table[:, 2], table[:, 1] + table[:, 2]], 1)
    return Detections(boxes, table[:, 3], table[:, 4].astype(np.int32))


TRUTH = [_seen((0, 0, 10, 0.9, 0), (50, 50, 20, 0.5, 1)), _seen((5, 5, 30, 0.7, 0))]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (TRUTH, 1),
        ([_seen(), _seen()], 0),
        ([TRUTH[0], _seen()], 67 / 101),  # two of three: recalls 0 to .66
        # Both classes of the first picture wrong: the best is false, the second of three true, recalls 0 to .33.
        ([_seen((0, 0, 10, 0.9, 1), (50, 50, 20, 0.5, 0)), TRUTH[1]], 34 / 101 / 2),
    ],
)
def test_precision_by_hand(found: list[Detections], expected: float) -> None:
    assert precision.compared(TRUTH, found)[:2] == pytest.approx((expected, expected))


def test_where_nothing_is_to_be_seen_only_silence_is_right() -> None:
    assert precision.compared([_seen()], [_seen()])[0] == 1
    assert precision.compared([_seen()], [_seen((0, 0, 10, 0.9, 0))])[0] == 0


def test_a_shifted_box_counts_at_low_ious_only() -> None:
    found = [_seen((0, 0, 10, 0.9, 0), (50, 50, 20, 0.5, 1)), _seen((5, 9, 30, 0.7, 0))]  # IoU 26/34
    ap50, ap, bias = precision.compared(TRUTH, found)
    assert ap50 == 1
    assert 0.6 < ap < 1
    assert bias == pytest.approx(0, abs=1e-6)


def test_a_false_alarm_above_the_truth_costs_precision() -> None:
    found = [_seen((90, 90, 5, 0.99, 0), (0, 0, 10, 0.9, 0), (50, 50, 20, 0.5, 1)), TRUTH[1]]
    assert precision.compared(TRUTH, found)[0] == pytest.approx(0.75, abs=0.01)


def test_scores_that_fell_are_a_bias() -> None:
    found = [_seen((0, 0, 10, 0.8, 0), (50, 50, 20, 0.4, 1)), _seen((5, 5, 30, 0.6, 0))]
    assert precision.compared(TRUTH, found)[2] == pytest.approx(-0.1)


def test_limits_are_least_values() -> None:
    assert Agreement(0.97, 0.90, 0, 1, 1).passes(Limits())
    assert not Agreement(0.969, 0.95, 0, 1, 1).passes(Limits())
    assert not Agreement(0.99, 0.899, 0, 1, 1).passes(Limits())
    assert Agreement(0.5, 0.5, 0, 1, 1).passes(Limits(ap50=0.4, ap=0.4))
    for sign in (1, -1):
        assert Agreement(0.99, 0.95, sign * 0.009, 1, 1).passes(Limits())
        assert not Agreement(0.99, 0.95, sign * 0.011, 1, 1).passes(Limits())
    assert Likeness(0.99, 0.97, 1, 1).passes(Limits())
    assert not Likeness(0.99, 0.96, 1, 1).passes(Limits())


def test_the_error_is_zero_for_equal_cells_and_grows_with_distance() -> None:
    random = np.random.default_rng(0)
    scores, sides = random.random((50, 3)), random.uniform(1, 4, (50, 4))
    rows = np.arange(len(scores))
    same = Cells(rows, scores, sides)
    assert same.difference(same)[0] == 0
    off = [same.difference(Cells(rows, scores, sides * factor))[0] for factor in (1.01, 1.1, 2.0)]
    assert 0 < off[0] < off[1] < off[2]
    assert same.difference(Cells(rows, scores * 0.9, sides))[0] > 0


def test_a_picture_in_which_nothing_is_seen_has_no_cells_and_no_error() -> None:
    head = Head("nanodet-plus", ("output",), (8, 16, 32, 64), 7, 0.0, "logits")
    picture = ImageInput("image", 64, 64, "nhwc-uint8", "bgr", (0.0,) * 3, (1.0,) * 3)
    detector = Detector(Source("a.pth", "0" * 64, "NanoDet"), picture, head, ("person", "car"), {})
    outputs = {"output": np.full((1, 85, 2 + 32), -9, np.float32)}
    nothing = Cells.seeing(detector, outputs)
    assert len(nothing.rows) == 0
    assert nothing.difference(Cells.read(detector, outputs, nothing.rows)) == (0, 0)


def test_copies_differ_by_less_than_noise_and_by_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    first, again, other = (np.asarray(perturbed(picture, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    difference = np.abs(first.astype(int) - picture)
    assert difference.max() == 1
    assert 0.005 < difference.mean() < 0.0101
    planes = np.random.default_rng(0).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
    moved = np.asarray(perturbed(planes, 1))
    assert moved.dtype == np.float32
    assert 0 < np.abs(moved - planes).max() < 1e-4


def test_what_one_layer_saves_the_next_cannot() -> None:
    def unit(name: str, gain_share: float, cost_share: float) -> Unit:
        return Unit(name, (name,), 10 * cost_share, cost_share, 0.0, gain_share, gain_share)

    free, dear, noise = unit("free", 0.5, 0.0), unit("dear", 0.3, 0.2), unit("noise", 0.019, 0.0)
    assert paying([free, dear, noise]) == [free]  # of the half that is left .3 is .15
    assert paying([dear, noise]) == [dear]
    assert paying([]) == []
