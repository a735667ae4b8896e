"""The constant-velocity Kalman filter of SORT-like trackers, as four independent filters of position and velocity.

Process, measurement and initial noise are diagonal and every coordinate moves only with its own velocity, so the
published 8x8 filter falls apart exactly into four 2x2 ones: twenty numbers a track and no matrix algebra. With
a = Var(position), b = Cov(position, velocity), c = Var(velocity):

    start    p = z,  v = 0,  a = sp^2,  b = 0,  c = sv^2
    predict  p += dt v;  a += 2 dt b + dt^2 c + dt sp^2;  b += dt c;  c += dt sv^2
    correct  s = a + r^2;  y = z - p;  p += a/s y;  v += b/s y;  c -= b/s b;  b *= 1 - a/s;  a *= 1 - a/s

A track record holds these in its fields `position`, `velocity`, `var_position`, `covariance`, `var_velocity`, four
numbers each. Time runs in frames. Two models of a box: XYWH = (centre x, centre y, width, height) of SparseTrack,
NanoTrack and BoT-SORT, XYAH = (centre x, centre y, width/height, height) of DeepSORT and ByteTrack.
"""

from typing import Any

from edge.kernels.jit import kernel

XYWH = 0
XYAH = 1

# Standard deviations as fractions of a box's size, from DeepSORT (Wojke et al. 2017).
_POSITION = 1 / 20
_VELOCITY = 1 / 160
# No width, height or aspect ratio may shrink to less than this fraction in one prediction: a box cannot invert.
_LEAST_SHRINK = 1e-3


@kernel
def start(track: Any, measured: Any, std_position: Any, std_velocity: Any) -> None:
    """Begin at `measured` with no velocity. All arguments but the track are four numbers, one a coordinate."""
    for k in range(4):
        track["position"][k] = measured[k]
        track["velocity"][k] = 0.0
        track["var_position"][k] = std_position[k] * std_position[k]
        track["covariance"][k] = 0.0
        track["var_velocity"][k] = std_velocity[k] * std_velocity[k]


@kernel
def predict(track: Any, frames: float, std_position: Any, std_velocity: Any) -> None:
    """Move on by `frames` of time; the noise of one frame is given a coordinate."""
    p, v = track["position"], track["velocity"]
    a, b, c = track["var_position"], track["covariance"], track["var_velocity"]
    for k in range(4):
        p[k] += frames * v[k]
        a[k] += 2.0 * frames * b[k] + frames * frames * c[k] + frames * (std_position[k] * std_position[k])
        b[k] += frames * c[k]
        c[k] += frames * (std_velocity[k] * std_velocity[k])


@kernel
def correct(track: Any, measured: Any, std: Any) -> None:
    """Take in a measurement with the noise `std` a coordinate."""
    p, v = track["position"], track["velocity"]
    a, b, c = track["var_position"], track["covariance"], track["var_velocity"]
    for k in range(4):
        scale = 1.0 / (a[k] + std[k] * std[k])
        gain_p = a[k] * scale
        gain_v = b[k] * scale
        error = measured[k] - p[k]
        p[k] += gain_p * error
        v[k] += gain_v * error
        c[k] -= gain_v * b[k]
        b[k] *= 1.0 - gain_p
        a[k] *= 1.0 - gain_p


@kernel
def start_box(track: Any, box: Any, model: int) -> None:
    """Begin a track at `box` (xyxy) with the published noise of `model`."""
    z = measurement(box, model)
    if model == XYAH:
        h = z[3]
        p, v = 2.0 * _POSITION * h, 10.0 * _VELOCITY * h
        start(track, z, (p, p, 1e-2, p), (v, v, 1e-5, v))
    else:
        p, v = 2.0 * _POSITION, 10.0 * _VELOCITY
        start(track, z, (p * z[2], p * z[3], p * z[2], p * z[3]), (v * z[2], v * z[3], v * z[2], v * z[3]))
    write_box(track, model)


@kernel
def predict_box(track: Any, frames: float, model: int, still: bool, keep_size: bool) -> None:
    """Predict the track's box with the published noise of `model`.

    `still` stops the growth of a track that is not followed (height; with XYWH the width too), before predicting.
    `keep_size` keeps width and height positive, which the published filters do not.
    """
    if still:
        track["velocity"][3] = 0.0
        if model == XYWH:
            track["velocity"][2] = 0.0
    before_2, before_3 = track["position"][2], track["position"][3]
    if model == XYAH:
        p, v = _POSITION * before_3, _VELOCITY * before_3
        predict(track, frames, (p, p, 1e-2, p), (v, v, 1e-5, v))
    else:
        px, py, vx, vy = _POSITION * before_2, _POSITION * before_3, _VELOCITY * before_2, _VELOCITY * before_3
        predict(track, frames, (px, py, px, py), (vx, vy, vx, vy))
    if keep_size:
        track["position"][2] = max(track["position"][2], _LEAST_SHRINK * before_2)
        track["position"][3] = max(track["position"][3], _LEAST_SHRINK * before_3)
    write_box(track, model)


@kernel
def correct_box(track: Any, box: Any, model: int) -> None:
    """Take in a detected `box` (xyxy) with the published noise of `model`."""
    z = measurement(box, model)
    if model == XYAH:
        r = _POSITION * track["position"][3]
        correct(track, z, (r, r, 1e-1, r))
    else:
        rx, ry = _POSITION * track["position"][2], _POSITION * track["position"][3]
        correct(track, z, (rx, ry, rx, ry))
    write_box(track, model)


@kernel
def measurement(box: Any, model: int) -> Any:
    """The box (xyxy) in the coordinates of `model`."""
    w, h = box[2] - box[0], box[3] - box[1]
    if model == XYAH:
        return box[0] + w / 2.0, box[1] + h / 2.0, w / h, h
    return box[0] + w / 2.0, box[1] + h / 2.0, w, h


@kernel
def write_box(track: Any, model: int) -> None:
    """Set the track's `box` (xyxy) from its filter."""
    p = track["position"]
    h = p[3]
    w = p[2] * h if model == XYAH else p[2]
    box = track["box"]
    box[0] = p[0] - w / 2.0
    box[1] = p[1] - h / 2.0
    box[2] = box[0] + w
    box[3] = box[1] + h
