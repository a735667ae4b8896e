"""Bodies and what they wear, as the spheres and tapered capsules that the pictures are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.demo.gait import Joints
from edge.demo.looks import Look

Float64s = npt.NDArray[np.float64]

# Slots of parts, and by how much (metres) each is drawn as if nearer: sleeves over the trunk, the face over the neck.
NEARER = {
    "leg_l": -0.06, "leg_r": -0.06, "shin_l": -0.05, "shin_r": -0.05, "foot_l": -0.03, "foot_r": -0.03,
    "hips": 0.0, "hem": 0.02, "waist": 0.0, "shoulders": 0.0, "neck": 0.0, "head": 0.03, "hair": 0.03, "mane": 0.02,
    "arm_l": 0.02, "arm_r": 0.02, "fore_l": 0.03, "fore_r": 0.03, "hand_l": 0.03, "hand_r": 0.03, "bag": 0.0,
    "cap": 0.05,
}  # fmt: skip
SLOTS = tuple(NEARER)
SLOT = {name: i for i, name in enumerate(SLOTS)}


@dataclass(frozen=True)
class Wardrobe:
    """The looks of all people as arrays: `radii_m` `[P, M, 2]` (0: no such part) and `colours` `[P, M, 3]`."""

    looks: Sequence[Look]
    heights_m: Float64s
    radii_m: Float64s
    colours: Float64s

    def of(self, rows: npt.NDArray[np.intp]) -> "Wardrobe":
        """The looks of some of them."""
        looks = [self.looks[row] for row in rows.tolist()]
        return Wardrobe(looks, self.heights_m[rows], self.radii_m[rows], self.colours[rows])


def wardrobe(looks: Sequence[Look]) -> Wardrobe:
    """Radii and colours of everybody's parts."""
    radii = np.zeros((len(looks), len(SLOTS), 2))
    colours = np.zeros((len(looks), len(SLOTS), 3))
    for i, look in enumerate(looks):
        for name, (ra, rb, colour) in _parts(look).items():
            radii[i, SLOT[name]] = ra, rb
            colours[i, SLOT[name]] = colour
        radii[i] *= look.height_m
    return Wardrobe(looks, np.array([look.height_m for look in looks]), radii, colours)


def _parts(look: Look) -> dict[str, tuple[float, float, Sequence[float]]]:
    """Radii at both ends, for a person 1 m tall, and colour of each part that this person has."""
    broad = look.build
    leg = look.bottom_colour if look.bottom == "trousers" else look.skin
    thigh = look.skin if look.bottom == "skirt" else look.bottom_colour
    sleeve = look.skin if look.top == "shirt" else look.top_colour
    wide = 1.25 if look.bottom == "trousers" else 1.0
    parts: dict[str, tuple[float, float, Sequence[float]]] = {
        "hips": (0.055 * broad, 0.055 * broad, look.bottom_colour),
        "waist": (0.052 * broad, 0.052 * broad, look.top_colour),
        "shoulders": (0.036 * broad, 0.036 * broad, look.top_colour),
        "neck": (0.026, 0.026, look.skin),
        "head": (0.044, 0.052, look.skin),
    }
    for side in ("_l", "_r"):
        parts |= {
            "leg" + side: (0.05 * broad, 0.034 * broad * wide, thigh),
            "shin" + side: (0.03 * broad * wide, 0.022 * wide, leg),
            "foot" + side: (0.021, 0.016, look.shoe_colour),
            "arm" + side: (0.031 * broad, 0.025, look.top_colour),
            "fore" + side: (0.024, 0.019, sleeve),
            "hand" + side: (0.018, 0.016, look.skin),
        }
    if look.top == "coat":
        parts["hem"] = (0.075 * broad, 0.075 * broad, look.top_colour)
    elif look.bottom == "skirt":
        parts["hem"] = (0.07 * broad, 0.07 * broad, look.bottom_colour)
    if look.hair != "bald":
        parts["hair"] = (0.049, 0.051, look.hair_colour)
    if look.hair == "long":
        parts["mane"] = (0.048, 0.035, look.hair_colour)
    elif look.hair == "bun":
        parts["mane"] = (0.024, 0.024, look.hair_colour)
    if look.hair in ("cap", "beanie"):
        parts["hair"] = (0.05, 0.051, look.second_colour)
        parts["mane"] = (0.046, 0.04, look.hair_colour)
    if look.hair == "cap":
        parts["cap"] = (0.02, 0.012, look.second_colour)
    if look.bag != "none":
        size = {"backpack": 0.066, "shoulder": 0.045, "tote": 0.05}[look.bag]
        parts["bag"] = (size, size * 0.9, look.bag_colour)
    return parts


def segments(joints: Joints, clothes: Wardrobe) -> Float64s:
    """World end points `[P, M, 2, 3]` of every part."""
    size = clothes.heights_m[:, None]
    ends = np.zeros((len(size), len(SLOTS), 2, 3))
    up = np.array([0.0, 0.0, 1.0]) * size
    forward, left = joints.forward * size, joints.left * size

    def put(slot: str, a: Float64s, b: Float64s) -> None:
        ends[:, SLOT[slot], 0], ends[:, SLOT[slot], 1] = a, b

    for k, side in enumerate(("_l", "_r")):
        put("leg" + side, joints.hips[:, k], joints.knees[:, k])
        put("shin" + side, joints.knees[:, k], joints.ankles[:, k])
        put("foot" + side, joints.ankles[:, k] - up * 0.012, joints.toes[:, k])
        put("arm" + side, joints.shoulders[:, k], joints.elbows[:, k])
        put("fore" + side, joints.elbows[:, k], joints.wrists[:, k])
        put("hand" + side, joints.wrists[:, k], joints.wrists[:, k] * 1.12 - joints.elbows[:, k] * 0.12)
    put("hips", joints.pelvis + left * 0.045 + up * 0.02, joints.pelvis - left * 0.045 + up * 0.02)
    put("waist", joints.pelvis + left * 0.045 + up * 0.04, joints.pelvis - left * 0.045 + up * 0.04)
    put("shoulders", *(joints.shoulders[:, k] * 0.85 + joints.chest * 0.15 - up * 0.012 for k in (0, 1)))
    knees = joints.knees.mean(1) + up * 0.05
    put("hem", knees + left * 0.035, knees - left * 0.035)
    put("neck", joints.chest - up * 0.01, joints.neck)
    put("head", joints.head - up * 0.022 + forward * 0.008, joints.head + up * 0.012)
    put("hair", joints.head + up * 0.016 - forward * 0.02, joints.head + up * 0.027 - forward * 0.008)
    put("mane", *_mane(joints, clothes, up, forward))
    put("cap", joints.head + up * 0.03 + forward * 0.03, joints.head + up * 0.026 + forward * 0.085)
    put("bag", *_bag(joints, clothes, up, forward, left))
    return ends


def _mane(joints: Joints, clothes: Wardrobe, up: Float64s, forward: Float64s) -> tuple[Float64s, Float64s]:
    """Long hair falls on the back, a bun sits high, what a cap leaves is short."""
    drop = np.array([{"long": 0.085, "bun": -0.03}.get(look.hair, 0.022) for look in clothes.looks])[:, None]
    back = np.array([0.05 if look.hair == "bun" else 0.022 for look in clothes.looks])[:, None]
    top = joints.head - forward * back + np.where(drop < 0, up * 0.03, 0)
    return top, joints.head - forward * (back + 0.006) - up * drop


def _bag(
    joints: Joints, clothes: Wardrobe, up: Float64s, forward: Float64s, left: Float64s
) -> tuple[Float64s, Float64s]:
    """A backpack between the shoulders, a shoulder bag at the hip, a tote in the hand."""
    kinds = np.array([look.bag for look in clothes.looks])[:, None]
    back = joints.chest - forward * 0.09 - up * 0.06, joints.chest - forward * 0.095 - up * 0.15
    hip = joints.pelvis + left * 0.1 + up * 0.01
    hand = joints.wrists[:, 1] - up * 0.09
    tops = np.where(kinds == "backpack", back[0], np.where(kinds == "shoulder", hip + forward * 0.02, hand))
    ends = np.where(kinds == "backpack", back[1], np.where(kinds == "shoulder", hip - forward * 0.05, hand - up * 0.02))
    return tops, ends
