"""The walking body: joints in metres from headings and gait phases, for all people at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.demo.crowd import step_length_m

Float64s = npt.NDArray[np.float64]

# Lengths of a person 1 m tall (after Drillis and Contini 1966, rounded).
THIGH, SHIN, ANKLE_Z, TRUNK, NECK, UPPER_ARM, FOREARM = 0.245, 0.246, 0.039, 0.288, 0.052, 0.172, 0.157
HEAD_Z, SHOULDER, HIP, FOOT = 0.93, 0.105, 0.052, 0.11
LEG = THIGH + SHIN + ANKLE_Z


@dataclass(frozen=True)
class Joints:
    """World points; `[P, 2, 3]` are pairs of left and right, the others `[P, 3]`. `forward`, `left` `[P, 3]` unit."""

    hips: Float64s
    knees: Float64s
    ankles: Float64s
    toes: Float64s
    pelvis: Float64s
    chest: Float64s
    shoulders: Float64s
    elbows: Float64s
    wrists: Float64s
    neck: Float64s
    head: Float64s
    forward: Float64s
    left: Float64s


def joints(positions: Float64s, headings: Float64s, phases: Float64s, speeds: Float64s, heights_m: Float64s) -> Joints:
    """Where every joint is. The lower foot stands on the ground, so that feet do not slide."""
    zero = np.zeros_like(headings)
    forward = np.stack([np.cos(headings), np.sin(headings), zero], 1)
    left = np.stack([-np.sin(headings), np.cos(headings), zero], 1)
    up = np.array([0.0, 0.0, 1.0])
    size = heights_m[:, None]
    pace = np.clip(speeds / 1.2, 0, 1.2)
    both = np.stack([phases, phases + np.pi], 1)  # left and right leg, half a cycle apart

    def swing(angle: Float64s, length: float) -> Float64s:
        """Limbs hanging down, turned forward by `angle` `[P, 2]`."""
        along = np.sin(angle)[..., None] * forward[:, None] - np.cos(angle)[..., None] * up
        return along * (length * size[:, None])

    stride = np.arcsin(np.clip(step_length_m(LEG * heights_m, speeds) / (2 * LEG * heights_m), 0, 0.6))
    stride = stride * np.clip(speeds / 0.5, 0, 1)
    thigh = stride[:, None] * np.sin(both) + 0.06 * pace[:, None]
    bend = 0.08 + pace[:, None] * (0.12 + 0.85 * np.maximum(0, np.cos(both)) ** 1.5)
    sides = left[:, None] * np.array([1.0, -1.0])[None, :, None]
    hips = sides * (HIP * size[:, None])
    knees = hips + swing(thigh, THIGH)
    ankles = knees + swing(thigh - bend, SHIN)
    pitch = (thigh - 0.75 * bend + 0.1) * pace[:, None]
    toe = np.cos(pitch)[..., None] * forward[:, None] + np.sin(pitch)[..., None] * up
    toes = ankles + toe * (FOOT * size[:, None])
    ground = np.minimum(ankles[..., 2].min(1) - ANKLE_Z * heights_m, toes[..., 2].min(1) - 0.012 * heights_m)
    root = np.column_stack([positions, -ground])

    lean = (0.02 + 0.05 * pace)[:, None]
    trunk = up * np.sqrt(1 - lean**2) + forward * lean
    chest = root + trunk * (TRUNK * size)
    neck = chest + trunk * (NECK * size)
    head = chest + (trunk * (HEAD_Z - LEG - TRUNK) + forward * 0.012) * size
    twist = 0.12 * pace * np.sin(phases)
    across = left * np.cos(twist)[:, None] - forward * np.sin(twist)[:, None]
    shoulders = chest[:, None] + across[:, None] * (SHOULDER * size[:, None]) * np.array([1.0, -1.0])[None, :, None]
    reach = -0.55 * pace[:, None] * np.sin(both)
    elbows = shoulders + swing(reach - 0.05, UPPER_ARM) + sides * (0.025 * size[:, None])
    wrists = elbows + swing(reach + 0.2 + 0.35 * pace[:, None], FOREARM)
    move = root[:, None]
    return Joints(
        hips + move, knees + move, ankles + move, toes + move, root, chest, shoulders, elbows, wrists, neck, head,
        forward, left,
    )  # fmt: skip
