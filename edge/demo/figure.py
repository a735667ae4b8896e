"""People as tapered capsules: from joints and looks to shaded parts in the picture, boxes and shadows.

A part is the convex hull of two spheres, whose picture is (very nearly) the convex hull of two circles. Trunk and hem
are hulls of two such capsules. All outlines of a frame are computed in one go; only the filling goes part by part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo.camera import Camera
from edge.demo.gait import Joints
from edge.demo.light import Light
from edge.demo.looks import Look
from edge.demo.pen import SHIFT
from edge.types import Float32s, Image

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
# Hulls of two capsules, drawn at the second one's turn.
HULLS = {SLOT["shoulders"]: SLOT["waist"], SLOT["hem"]: SLOT["hips"]}
CASTING = ("leg_l", "leg_r", "shin_l", "shin_r", "foot_l", "foot_r", "head", "arm_l", "arm_r", "fore_l", "fore_r")
SHADOW_SLOTS = [SLOT[name] for name in CASTING]
ARC = 6  # corners of each half circle
LIT = 0.62  # size of a part's sunny side
FINE_PX = 70  # people less tall than this are drawn without the sunny sides of their limbs


@dataclass(frozen=True)
class Wardrobe:
    """The looks of all people as arrays: `radii_m` `[P, M, 2]` (0: no such part) and `colours` `[P, M, 3]`."""

    looks: Sequence[Look]
    heights_m: Float64s
    radii_m: Float64s
    colours: Float64s


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


def outlines(centres: Float64s, radii: Float64s) -> Float64s:
    """Convex hulls `[..., 2 * ARC, 2]` of two circles each: centres `[..., 2, 2]`, radii `[..., 2]`, pixels."""
    axis = centres[..., 1, :] - centres[..., 0, :]
    length = np.hypot(axis[..., 0], axis[..., 1])
    course = np.arctan2(axis[..., 1], axis[..., 0])
    tangent = np.arccos(np.clip((radii[..., 0] - radii[..., 1]) / np.maximum(length, 1e-6), -1, 1))
    steps = np.linspace(0, 1, ARC)
    first = (course + tangent)[..., None] + steps * (2 * np.pi - 2 * tangent)[..., None]
    second = (course - tangent)[..., None] + steps * (2 * tangent)[..., None]
    angles = np.stack([first, second], -2)
    rim = np.stack([np.cos(angles), np.sin(angles)], -1) * radii[..., None, None]
    return (centres[..., None, :] + rim).reshape(*radii.shape[:-1], 2 * ARC, 2)


@dataclass(frozen=True)
class Figures:
    """Everybody in one frame, ready to draw; P people, M parts, pixels of the seen picture.

    `shapes` and `lit` `[P, M, K, 2]` are outlines of parts and of their sunny sides, `order` `[P, M]` goes from far to
    near, `bands` are patterns on the trunk, `eyes` `[P, 2, 3]` centres and radii (0: not seen), `boxes_xyxy` `[P, 4]`
    hold everything, unclipped.
    """

    shapes: Float64s
    lit: Float64s
    order: npt.NDArray[np.intp]
    boxes_xyxy: Float64s
    bands: list[list[tuple[Float64s, Float64s]]]
    eyes: Float64s
    shaded: Float64s
    sunny: Float64s
    present: npt.NDArray[np.bool_]


def figures(
    ends: Float64s, joints: Joints, clothes: Wardrobe, camera: Camera, view: Float64s, light: Light, sunlit: Float64s
) -> Figures:
    """Project everybody: `ends` from `segments`, `sunlit` `[P]` the share of sunshine at their feet."""
    centres = camera.project(ends) @ view[:, :2].T + view[:, 2]
    radii = clothes.radii_m * camera.focal_px / ends[..., 1]
    present = clothes.radii_m[..., 0] > 0
    shapes = outlines(centres, radii)
    sunny_centres = centres + 0.34 * radii[..., None] * light.side
    lit = outlines(sunny_centres, radii * LIT)
    nearer = np.array(list(NEARER.values()))
    order = np.argsort(-(ends[..., 1].mean(-1) - nearer), axis=1, kind="stable")
    spread = np.where(present[..., None, None], shapes, np.nan)
    low, high = np.nanmin(spread, (1, 2)), np.nanmax(spread, (1, 2))
    shaded, sunny = light.on_people(clothes.colours, sunlit, joints.pelvis[:, 1])
    bands = [_bands(i, look, joints, centres, radii, shaded, sunny, light) for i, look in enumerate(clothes.looks)]
    boxes = np.column_stack([low, high])
    return Figures(shapes, lit, order, boxes, bands, _eyes(joints, clothes, camera, view), shaded, sunny, present)


def _eyes(joints: Joints, clothes: Wardrobe, camera: Camera, view: Float64s) -> Float64s:
    size = clothes.heights_m[:, None, None]
    sides = joints.left[:, None] * np.array([0.019, -0.019])[None, :, None]
    points = joints.head[:, None] + (sides + joints.forward[:, None] * 0.045 + np.array([0, 0, 0.006])) * size
    radii = 0.0058 * size[..., 0] * camera.focal_px / points[..., 1]
    toward = -(joints.forward[:, None] + 12 * sides) @ np.array([0.0, 1.0, 0.0]) > 0.25
    return np.concatenate([camera.project(points) @ view[:, :2].T + view[:, 2], (radii * toward)[..., None]], -1)


def _bands(
    i: int,
    look: Look,
    joints: Joints,
    centres: Float64s,
    radii: Float64s,
    shaded: Float64s,
    sunny: Float64s,
    light: Light,
) -> list[tuple[Float64s, Float64s]]:
    """Quadrilaterals `[4, 2]` and colours of the pattern on one trunk."""
    top, low = SLOT["shoulders"], SLOT["waist"]
    upper, lower = centres[i, top], centres[i, low]
    upper, lower = upper[np.argsort(upper[:, 0])], lower[np.argsort(lower[:, 0])]
    reach = np.array([[-1.0, 0.0], [1.0, 0.0]])
    upper, lower = upper + reach * radii[i, top, 0] * 0.97, lower + reach * radii[i, low, 0] * 0.97
    ratio = (shaded[i, top] + 2 * sunny[i, top]) / np.maximum(1, 3 * np.asarray(look.top_colour))
    colour = np.asarray(look.second_colour) * ratio

    def band(first: float, last: float) -> Float64s:
        a, b = upper + (lower - upper) * first, upper + (lower - upper) * last
        return np.array([a[0], a[1], b[1], b[0]])

    facing = -joints.forward[i, 1]
    if look.top == "jacket" and facing > 0.15:
        middle = np.array([upper.mean(0), lower.mean(0)])
        middle[:, 0] += joints.forward[i, 0] * radii[i, [top, low], 0] * 1.2
        half = np.array([0.45 * facing * radii[i, low, 0], 0.0])
        return [(np.array([middle[0] - half, middle[0] + half, middle[1] + half, middle[1] - half]), colour)]
    if look.pattern == "stripes":
        return [(band(f, f + 0.11), colour) for f in (0.12, 0.36, 0.6, 0.84)]
    if look.pattern == "block":
        return [(band(0.45, 1.12), colour)]
    return []


def draw(people: Figures, i: int) -> tuple[Image, int, int]:
    """The patch of person `i` and the pixel of its upper left corner."""
    x0, y0 = np.floor(people.boxes_xyxy[i, :2]).astype(int) - 2
    x1, y1 = np.ceil(people.boxes_xyxy[i, 2:]).astype(int) + 3
    patch = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    corner = np.array([x0, y0])
    fixed = np.round((people.shapes[i] - corner) * (1 << SHIFT)).astype(np.int32)
    sunny = np.round((people.lit[i] - corner) * (1 << SHIFT)).astype(np.int32)
    fine = y1 - y0 > FINE_PX
    base, bright = people.shaded[i].tolist(), people.sunny[i].tolist()
    for part in people.order[i].tolist():
        if not people.present[i, part]:
            continue
        shape, glow = fixed[part], sunny[part]
        if part in HULLS:
            shape = cv2.convexHull(np.concatenate([shape, fixed[HULLS[part]]]))
            glow = cv2.convexHull(np.concatenate([glow, sunny[HULLS[part]]]))
        cv2.fillConvexPoly(patch, shape, (*base[part], 255), cv2.LINE_AA, SHIFT)
        if fine or part in HULLS:
            cv2.fillConvexPoly(patch, glow, (*bright[part], 255), cv2.LINE_AA, SHIFT)
        if part == SLOT["head"] and fine:
            for x, y, radius in ((people.eyes[i] - (x0, y0, 0)) * (1 << SHIFT)).round().astype(int).tolist():
                if radius:
                    cv2.circle(patch, (x, y), radius, (40, 34, 32, 255), -1, cv2.LINE_AA, SHIFT)
        if part == SLOT["shoulders"]:
            for quad, colour in people.bands[i]:
                points = np.round((quad - corner) * (1 << SHIFT)).astype(np.int32)
                cv2.fillConvexPoly(patch, points, (*colour.tolist(), 255), cv2.LINE_AA, SHIFT)
    return patch, int(x0), int(y0)


def shadow_shapes(ends: Float64s, clothes: Wardrobe, camera: Camera, view: Float64s, light: Light) -> Float64s:
    """Outlines `[P, S, K, 2]` of everybody's shadow on the ground, pixels."""
    trunk = np.stack([ends[:, SLOT["shoulders"]].mean(1), ends[:, SLOT["hips"]].mean(1)], 1)
    bones = np.concatenate([ends[:, SHADOW_SLOTS], trunk[:, None]], 1)
    radii = np.concatenate([clothes.radii_m[:, SHADOW_SLOTS], np.full((len(ends), 1, 2), 0.16)], 1)
    ground = bones.copy()
    ground[..., :2] += bones[..., 2:] * light.slant
    ground[..., 2] = 0
    ground[..., 1] = np.maximum(ground[..., 1], 1.0)
    centres = camera.project(ground) @ view[:, :2].T + view[:, 2]
    return outlines(centres, 0.6 * radii * camera.focal_px / ground[..., 1])


def clipped(boxes_xyxy: Float64s, camera: Camera) -> Float32s:
    """Boxes cut at the picture's border."""
    limits = np.array([camera.width, camera.height] * 2, float)
    return np.clip(boxes_xyxy, 0, limits).astype(np.float32)
