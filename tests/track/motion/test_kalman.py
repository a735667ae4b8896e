"""The split filter against the published 8x8 one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track.motion.kalman import XYAH, XYWH, correct_box, measurement, predict_box, start_box
from edge.track.state import TRACK
from tests.track.twins import Array, Filter8


def _xyxy(cx: float, cy: float, w: float, h: float) -> Array:
    return np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def _variances(track: Array) -> Array:
    return np.concatenate([track["var_position"], track["covariance"], track["var_velocity"]])


def test_known_numbers_of_the_xywh_filter() -> None:
    track = np.zeros(1, TRACK)[0]
    start_box(track, _xyxy(500, 300, 60, 180), XYWH)
    predict_box(track, 1.0, XYWH, False, False)
    assert track["var_position"][:2] == pytest.approx([59.0625, 531.5625])
    assert track["covariance"][:2] == pytest.approx([14.0625, 126.5625])
    assert track["var_velocity"][:2] == pytest.approx([14.203125, 127.828125])
    correct_box(track, _xyxy(503, 301, 60, 180), XYWH)
    assert track["var_position"][:2] == pytest.approx([7.809917, 70.289256], abs=1e-6)
    assert track["covariance"][:2] == pytest.approx([1.859504, 16.735537], abs=1e-6)
    assert track["var_velocity"][:2] == pytest.approx([11.297650, 101.678848], abs=1e-6)
    assert track["position"][:2] == pytest.approx([502.603306, 300.867769], abs=1e-6)
    assert track["velocity"][:2] == pytest.approx([0.619835, 0.206612], abs=1e-6)


def test_xyah_filter_scales_every_noise_by_height() -> None:
    track = np.zeros(1, TRACK)[0]
    start_box(track, _xyxy(500, 300, 60, 180), XYAH)
    predict_box(track, 1.0, XYAH, False, False)
    assert track["var_position"][:2] == pytest.approx([531.5625, 531.5625])
    assert track["var_velocity"][:2] == pytest.approx([127.828125, 127.828125])


@pytest.mark.parametrize("model", [XYWH, XYAH])
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), dt=st.sampled_from([1.0, 1.0, 0.5, 3.7]))
def test_split_filter_equals_the_full_one_over_300_mixed_steps(model: int, seed: int, dt: float) -> None:
    random = np.random.default_rng(seed)
    at = np.array([500.0, 300.0, 60.0, 180.0])
    track = np.zeros(1, TRACK)[0]
    start_box(track, _xyxy(*at), model)
    full = Filter8(np.array(measurement(_xyxy(*at), model)), model)
    for _ in range(300):
        if random.random() < 0.6:
            predict_box(track, dt, model, False, False)
            full.predict(dt)
        else:
            at = at + random.normal(0, [3, 3, 0.5, 0.5])
            correct_box(track, _xyxy(*at), model)
            full.correct(np.array(measurement(_xyxy(*at), model)))
    np.testing.assert_allclose(track["position"], full.mean[:4], rtol=1e-8)
    np.testing.assert_allclose(track["velocity"], full.mean[4:], rtol=1e-6, atol=1e-9)
    blocks = np.concatenate([np.diag(full.covariance)[:4], np.diag(full.covariance, 4), np.diag(full.covariance)[4:]])
    np.testing.assert_allclose(_variances(track), blocks, rtol=1e-8)


@pytest.mark.parametrize("model", [XYWH, XYAH])
def test_box_comes_from_the_filter_and_a_lost_one_keeps_its_size(model: int) -> None:
    track = np.zeros(1, TRACK)[0]
    start_box(track, _xyxy(500, 300, 60, 180), model)
    np.testing.assert_allclose(track["box"], _xyxy(500, 300, 60, 180))
    for k in range(1, 6):
        predict_box(track, 1.0, model, False, False)
        correct_box(track, _xyxy(500, 300, 60 + 3 * k, 180 + 9 * k), model)
    before = track["box"].copy()
    assert track["velocity"][3] > 1
    predict_box(track, 1.0, model, True, False)
    assert track["box"][3] - track["box"][1] == pytest.approx(before[3] - before[1])


@pytest.mark.parametrize("model", [XYWH, XYAH])
def test_a_shrinking_box_cannot_invert_where_size_is_kept(model: int) -> None:
    track = np.zeros(1, TRACK)[0]
    start_box(track, _xyxy(500, 300, 60, 180), model)
    track["velocity"][:] = [0, 0, -50, -50]
    predict_box(track, 10.0, model, False, True)
    assert track["box"][0] < track["box"][2]
    assert track["box"][1] < track["box"][3]
