"""The painted ground: paving, kerbs, asphalt with its markings, and where the sun falls on it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo.camera import HEIGHT_M, Camera
from edge.demo.layout import CROSSING_HALF_WIDTH, FAR_KERB_Y, HOUSES_Y, NEAR_KERB_Y, ROAD_Y, TREE_Y, Layout
from edge.demo.light import HAZE_M, Light
from edge.demo.pen import rgb
from edge.types import Image

Float32s = npt.NDArray[np.float32]

TILE = 512  # pixels of the repeating noise
STONES = [("b9ada0", "a89c8e"), ("c4b6a2", "b09f88"), ("a9a9a6", "98989a"), ("b78f78", "a57e68")]


def noise(rng: np.random.Generator, size: int = TILE) -> Float32s:
    """Repeating cloud-like noise `[size, size]` with mean 0 and standard deviation 1."""
    total = np.zeros((size, size), np.float32)
    for octave in range(2, 8):
        cells = 2**octave
        small = rng.standard_normal((cells, cells)).astype(np.float32)
        wrapped = np.pad(small, 2, mode="wrap")
        step = size // cells
        big = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += big[2 * step : -2 * step, 2 * step : -2 * step] / 1.7**octave
    return (total - total.mean()) / total.std()


@dataclass(frozen=True)
class Ground:
    """The picture from row `top` downwards with and without the sun, and how much sun each pixel gets, 0..1."""

    top: int
    sunny: Image
    shaded: Image
    sunlight: Float32s


def paint(camera: Camera, layout: Layout, light: Light, rng: np.random.Generator) -> Ground:
    """The ground from the foot of the houses to the picture's lower border, with the camera's margin."""
    margin = camera.margin_px
    top = int(camera.horizon_px + camera.focal_px * HEIGHT_M / (HOUSES_Y + 1))
    rows = np.arange(top, camera.height + margin, dtype=np.float32) + 0.5
    columns = np.arange(-margin, camera.width + margin, dtype=np.float32) + 0.5
    y = (camera.focal_px * HEIGHT_M / (rows - camera.horizon_px)).astype(np.float32)[:, None]
    x = (columns - camera.width / 2)[None] * y / np.float32(camera.focal_px)
    y = np.broadcast_to(y, x.shape)
    clouds = noise(rng)
    albedo = _paving(x, y, clouds, camera, rng)
    _road(albedo, x, y, clouds, camera, layout)
    sunlight = _sunlight(x, y, clouds, layout, light)
    clear = np.exp(-y / HAZE_M)[..., None]
    haze = (light.haze * (1 - clear)).astype(np.float32)
    shaded = albedo * (light.sky * clear).astype(np.float32) + haze
    sunny = shaded + albedo * (light.sun * clear).astype(np.float32) * sunlight[..., None]
    lit, unlit = (np.clip(picture, 0, 255).astype(np.uint8) for picture in (sunny, shaded))
    return Ground(top + margin, lit, unlit, sunlight)


def _at(texture: Float32s, x: Float32s, y: Float32s, pixels_per_m: float) -> Float32s:
    """A repeating texture laid on the ground."""
    u = np.ascontiguousarray((x + 100) * pixels_per_m % texture.shape[1], dtype=np.float32)
    v = np.ascontiguousarray(y * pixels_per_m % texture.shape[0], dtype=np.float32)
    return cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _joint(distance: Float32s, half_width: float, footprint: Float32s) -> Float32s:
    """How much of a pixel of `footprint` metres a joint covers whose middle is `distance` away."""
    return np.clip((half_width - distance) / footprint + 0.5, 0, 1) * np.minimum(1, 2 * half_width / footprint + 0.15)


def _paving(x: Float32s, y: Float32s, clouds: Float32s, camera: Camera, rng: np.random.Generator) -> Float32s:
    """Slabs in running bond, BGR `[H, W, 3]`."""
    first, second = (np.array(rgb(c), np.float32) for c in STONES[rng.integers(len(STONES))])
    width, depth = (0.9, 0.6) if rng.random() < 0.5 else (0.6, 0.6)
    row = np.floor(y / depth)
    along = x / width + 0.5 * (row % 2)
    column = np.floor(along)
    tones = rng.standard_normal((64, 64)).astype(np.float32)
    slab = tones[row.astype(int) % 64, column.astype(int) % 64]
    to_joint_x = (0.5 - np.abs(along - column - 0.5)) * width
    to_joint_y = (0.5 - np.abs(y / depth - row - 0.5)) * depth
    step_x = y / np.float32(camera.focal_px)
    step_y = y * y / np.float32(camera.focal_px * HEIGHT_M)
    joint = np.maximum(_joint(to_joint_x, 0.012, step_x), _joint(to_joint_y, 0.012, step_y))
    fade = np.clip(1.6 - step_y / 0.25, 0, 1)  # far slabs are smaller than pixels: their contrast averages out
    shade = 1 + 0.045 * slab * fade + 0.05 * _at(clouds, x, y, 24) + 0.05 * _at(clouds, x, y, 130)
    band = (np.floor(x / (4 * width)) + np.floor(y / (5 * depth))) % 7 == 0
    albedo = np.where(band[..., None], second, first) * shade[..., None]
    return (albedo * (1 - 0.38 * joint * fade)[..., None]).astype(np.float32)


def _road(albedo: Float32s, x: Float32s, y: Float32s, clouds: Float32s, camera: Camera, layout: Layout) -> None:
    """Asphalt, lines, the crossing and kerbs, painted over the paving in place."""
    step_y = y * y / np.float32(camera.focal_px * HEIGHT_M)

    def between(low: float, high: float) -> Float32s:
        return np.clip((y - low) / step_y + 0.5, 0, 1) * np.clip((high - y) / step_y + 0.5, 0, 1)

    def lay(cover: Float32s, colour: npt.ArrayLike) -> None:
        albedo[...] += cover[..., None] * (np.asarray(colour, np.float32) - albedo)

    asphalt = 82 * (1 + 0.06 * _at(clouds, x, y, 30) + 0.07 * _at(clouds, x, y, 190))
    lay(between(*ROAD_Y), asphalt[..., None] * np.array([1.02, 1.0, 0.98], np.float32))
    for low, high in ((ROAD_Y[0] + 1.2, ROAD_Y[0] + 1.5), (ROAD_Y[1] - 1.6, ROAD_Y[1] - 1.3)):
        lay(0.12 * between(low - 0.3, high + 0.3), (50, 50, 52))  # tyres darken the lanes
    beside = np.abs(x - layout.crossing_x) > CROSSING_HALF_WIDTH + 0.8
    worn = np.clip(0.85 + 0.12 * _at(clouds, x, y, 60), 0, 1)
    lay(between(19.66, 19.78) * ((x % 5 < 2.6) & beside) * worn, (225, 228, 228))
    stripe = np.clip((CROSSING_HALF_WIDTH - np.abs(x - layout.crossing_x)) / (step_y * 0.2) + 0.5, 0, 1) * worn
    for start in np.arange(ROAD_Y[0] + 0.35, ROAD_Y[1] - 0.5, 1.0):
        lay(between(start, start + 0.5) * stripe, (232, 234, 234))
    for low, high in ((NEAR_KERB_Y, ROAD_Y[0]), (ROAD_Y[1], FAR_KERB_Y)):
        lay(between(low, high), np.array([176, 182, 186]) * 1.0)
    lay(0.6 * between(ROAD_Y[0] - 0.02, ROAD_Y[0] + 0.1), (40, 40, 42))


def _sunlight(x: Float32s, y: Float32s, clouds: Float32s, layout: Layout, light: Light) -> Float32s:
    """Sunshine on the ground, 0..1: the shadow of a house behind the camera, and of the trees."""
    slope = 0.35 * np.sign(light.slant[0])
    edge = y - (8.2 + slope * x)
    lit = np.clip(edge / 0.12 + 0.5, 0, 1) if light.slant[1] > 0 else np.ones_like(x)
    for tree in layout.tree_xs:
        cx, cy = tree + 4.3 * light.slant[0], TREE_Y + 4.3 * light.slant[1]
        distance = np.hypot((x - cx) / 1.9, (y - cy) / 1.9) + 0.16 * _at(clouds, x, y, 90)
        lit = np.minimum(lit, np.clip((distance - 0.95) / 0.14, 0.08, 1))
        trunk = _along_shadow(x, y, tree, light)
        lit = np.minimum(lit, np.clip((trunk - 0.16) / 0.06, 0.08, 1))
    return lit.astype(np.float32)


def _along_shadow(x: Float32s, y: Float32s, tree: float, light: Light) -> Float32s:
    """Distance from the shadow of a trunk 3 m high."""
    dx, dy = 3.0 * light.slant
    share = np.clip(((x - tree) * dx + (y - TREE_Y) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
    return np.hypot(x - tree - share * dx, y - TREE_Y - share * dy)
