"""People as tapered capsules: from joints and looks to shaded parts in the picture, boxes and shadows.

A part is the convex hull of two spheres, whose picture is (very nearly) the convex hull of two circles. Trunk and hem
are hulls of two such capsules. All outlines of a frame are computed in one go; only the filling goes part by part.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo.body import NEARER, SLOT, Wardrobe
from edge.demo.camera import Camera
from edge.demo.gait import Joints
from edge.demo.light import Light
from edge.demo.looks import Look
from edge.demo.pen import SHIFT
from edge.types import Float32s, Image

Float64s = npt.NDArray[np.float64]

# Hulls of two capsules, drawn at the second one's turn.
HULLS = {SLOT["shoulders"]: SLOT["waist"], SLOT["hem"]: SLOT["hips"]}
CASTING = ("leg_l", "leg_r", "shin_l", "shin_r", "foot_l", "foot_r", "head", "arm_l", "arm_r", "fore_l", "fore_r")
SHADOW_SLOTS = [SLOT[name] for name in CASTING]
ARC = 6  # corners of each half circle
LIT = 0.62  # size of a part's sunny side
FINE_PX = 70  # people less tall than this are drawn without the sunny sides of their limbs


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
