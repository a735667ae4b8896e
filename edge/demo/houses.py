"""The far side of the street: sky, distant roofs and a row of houses with shops."""

import cv2
import numpy as np

from edge.demo.camera import HEIGHT_M, Camera
from edge.demo.ground import noise
from edge.demo.layout import HOUSES_Y
from edge.demo.light import HAZE_M, Light
from edge.demo.pen import Colour, Pen, mix, rgb, tone
from edge.types import Image

WALLS = [
    rgb(c)
    for c in (
        *("b0563f", "c98d5e", "e2cfa8", "d8c7b4", "a3a49f", "8fa3a0", "c7a49a", "7d5444", "d9b98c", "b9bfc6"),
        *("e8e0d2", "9b6b5a"),
    )
]
AWNINGS = [rgb(c) for c in ("9e2b2b", "245a4c", "23406e", "c8862a", "6b2f5b", "3c3f45")]
LETTERS = [rgb(c) for c in ("f4ead2", "ffd769", "f7f7f4", "e9c9c0")]
FLOOR_M = 2.9
SHOP_M = 3.6


def paint(camera: Camera, light: Light, rng: np.random.Generator) -> Image:
    """The picture above the foot of the houses, `[rows, W + 2 margin, 3]`."""
    margin = camera.margin_px
    scale = camera.focal_px / HOUSES_Y
    foot = int(camera.horizon_px + scale * HEIGHT_M) + 1 + margin
    picture = _sky(foot, camera.width + 2 * margin, light, rng)
    half = (camera.width / 2 + margin) / scale + 0.5
    x = -half - rng.uniform(0, 4)
    while x < half:
        width = float(rng.uniform(5.2, 9.0))
        floors = int(rng.choice([1, 2, 3, 4], p=[0.14, 0.36, 0.36, 0.14]))
        house = _house(scale, width, floors, light, rng)
        left = round(camera.width / 2 + margin + x * scale)
        _lay(picture, house, left, foot - house.shape[0])
        x += width
        if rng.random() < 0.12:
            x += rng.uniform(0.8, 2.2)
    return picture


def _lay(picture: Image, patch: Image, left: int, top: int) -> None:
    rows, columns = slice(max(0, top), None), slice(max(0, left), max(0, left + patch.shape[1]))
    under = picture[rows, columns]
    part = patch[max(0, -top) :, max(0, -left) : max(0, -left) + under.shape[1]]
    clear = 1 - part[..., 3:] / 255.0
    under[...] = np.clip(under * clear + part[..., :3], 0, 255).astype(np.uint8)


def _sky(rows: int, columns: int, light: Light, rng: np.random.Generator) -> Image:
    """A gradient with clouds, and distant roofs in the haze."""
    zenith = np.array(rgb("6f9fd0")) if light.sun[2] > 0.3 else np.array(rgb("b4bcc4"))
    fade = np.linspace(0, 1, rows)[:, None, None] ** 0.8
    sky = zenith + (light.haze - zenith) * fade
    clouds = cv2.resize(noise(rng, 256)[:128], (columns, rows), interpolation=cv2.INTER_CUBIC)
    white = np.clip(0.5 * clouds + 0.1, 0, 1)[..., None]
    sky = np.clip(sky + white * (248 - sky), 0, 255)
    x = 0
    while x < columns:
        width, height = int(rng.uniform(0.04, 0.1) * columns), int(rng.uniform(0.25, 0.6) * rows)
        sky[rows - height :, x : x + width] = light.haze * rng.uniform(0.72, 0.85)
        x += width
    return sky.astype(np.uint8)


def _house(scale: float, width: float, floors: int, light: Light, rng: np.random.Generator) -> Image:
    """One house front as a patch."""
    height = SHOP_M + floors * FLOOR_M
    fine = 2 if scale < 60 else 1
    pen = Pen(scale * fine, 0, width, height + 1.6)
    wall = tone(WALLS[rng.integers(len(WALLS))], rng.uniform(0.88, 1.08))
    trim = mix(wall, rgb("f2eee6"), 0.6)
    pen.rectangle(0, 0, width, height, wall)
    if rng.random() < 0.55:
        roof = rgb(str(rng.choice(["6b3f33", "4a4d55", "7a5a48"])))
        pen.polygon([(-0.1, height), (width + 0.1, height), (width - 0.7, height + 1.5), (0.7, height + 1.5)], roof)
        for x in np.arange(0.4, width, 0.28):
            pen.line([(x, height), (x + (width / 2 - x) * 0.18, height + 1.5)], 0.02, tone(roof, 0.82))
    texture = _texture(pen.patch.shape[:2], pen.scale, bool(rng.random() < 0.45), rng)
    pen.patch[..., :3] = np.clip(pen.patch[..., :3] * texture, 0, pen.patch[..., 3:]).astype(np.uint8)
    for floor in range(floors):
        _windows(pen, width, SHOP_M + floor * FLOOR_M, trim, rng)
    _shop(pen, width, trim, rng)
    for z in (SHOP_M, height):
        pen.rectangle(0, z - 0.08, width, z + 0.14, trim)
        pen.rectangle(0, z - 0.2, width, z - 0.08, tone(wall, 0.62))
    pen.rectangle(0, 0, 0.06, height, tone(wall, 0.7))
    patch = cv2.resize(pen.patch, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA)
    clear = float(np.exp(-HOUSES_Y / HAZE_M))
    lit = patch[..., :3] * ((light.sky + 0.7 * light.sun) * clear) + light.haze * (1 - clear) * (patch[..., 3:] / 255)
    return np.concatenate([np.minimum(lit, patch[..., 3:]).astype(np.uint8), patch[..., 3:]], -1)


def _texture(shape: tuple[int, int], scale: float, bricks: bool, rng: np.random.Generator) -> np.ndarray:
    """Brightness of plaster or of bricks, `[H, W, 1]`."""
    clouds = noise(rng, 256)
    tiles = np.tile(clouds, (shape[0] // 256 + 1, shape[1] // 256 + 1))[: shape[0], : shape[1]]
    texture = 1 + 0.045 * tiles
    if bricks:
        rows = (np.arange(shape[0]) / scale / 0.16).astype(int)[:, None]
        columns = (np.arange(shape[1])[None] / scale / 0.4 + 0.5 * (rows % 2)).astype(int)
        texture = texture + 0.05 * rng.standard_normal((64, 64))[rows % 64, columns % 64]
    fade = np.linspace(1.05, 0.9, shape[0])[:, None]
    return (texture * fade)[..., None]


def _windows(pen: Pen, width: float, z: float, trim: Colour, rng: np.random.Generator) -> None:
    count = max(2, round(width / 2.0))
    step = width / count
    half, low, high = 0.52, z + 0.75, z + 2.35
    for k in range(count):
        x = (k + 0.5) * step
        glass = mix(rgb("33424f"), rgb("8fb0cc"), float(rng.uniform(0.1, 0.7)))
        pen.rectangle(x - half - 0.1, low - 0.1, x + half + 0.1, high + 0.1, trim)
        pen.rectangle(x - half, low, x + half, high, glass)
        if rng.random() < 0.3:
            pen.rectangle(x - half, low, x + half, high, mix(glass, rgb("ffd9a0"), 0.55))
        if rng.random() < 0.5:
            curtain = mix(rgb("efe8dc"), glass, 0.25)
            for side in (-1, 1):
                pen.polygon(
                    [(x + side * half, low), (x + side * half, high), (x + side * 0.2, high), (x + side * 0.36, low)],
                    curtain,
                )
        pen.polygon([(x - half, high), (x - 0.1, high), (x - half, low + 0.7)], mix(glass, (255, 250, 240), 0.3))
        pen.rectangle(x - 0.03, low, x + 0.03, high, trim)
        pen.rectangle(x - half, low + 1.05, x + half, low + 1.11, trim)
        pen.rectangle(x - half - 0.16, low - 0.2, x + half + 0.16, low - 0.1, tone(trim, 0.9))
        pen.rectangle(x - half - 0.16, low - 0.26, x + half + 0.16, low - 0.2, tone(trim, 0.55))


def _shop(pen: Pen, width: float, trim: Colour, rng: np.random.Generator) -> None:
    frame = tone(AWNINGS[rng.integers(len(AWNINGS))], 1.0)
    glass = mix(rgb("2a333b"), rgb("7f97a8"), float(rng.uniform(0.1, 0.5)))
    door = float(rng.uniform(0.2, 0.7)) * width
    pen.rectangle(0.25, 0.0, width - 0.25, 2.85, tone(frame, 0.75))
    pen.rectangle(0.4, 0.5, width - 0.4, 2.7, glass)
    for _ in range(int(width * 2.2)):
        x, size = rng.uniform(0.6, width - 0.6), rng.uniform(0.12, 0.34)
        goods = mix(WALLS[rng.integers(len(WALLS))], glass, 0.45)
        pen.rectangle(x - size, 0.52, x + size, 0.52 + rng.uniform(0.2, 0.9), goods)
    pen.polygon([(0.5, 2.7), (1.6, 2.7), (0.7, 0.5), (0.4, 0.5)], mix(glass, (255, 250, 240), 0.18))
    pen.rectangle(door - 0.55, 0.0, door + 0.55, 2.7, tone(frame, 0.6))
    pen.rectangle(door - 0.42, 0.25, door + 0.42, 2.55, tone(glass, 0.8))
    pen.rectangle(door + 0.28, 1.1, door + 0.36, 1.4, trim)
    pen.rectangle(0.25, 2.85, width - 0.25, 3.4, tone(frame, 0.9))
    ink = LETTERS[rng.integers(len(LETTERS))]
    x = width / 2 - min(width * 0.3, 1.8)
    while x < width / 2 + min(width * 0.3, 1.8):  # letters too far away to be read
        letter = float(rng.uniform(0.12, 0.26))
        pen.rectangle(x, 3.0, x + letter * 0.4, 3.26, ink)
        pen.rectangle(x, 3.0 + 0.2 * rng.integers(2), x + letter, 3.06 + 0.2 * rng.integers(2), ink)
        x += letter + 0.09
    if rng.random() < 0.6:
        strip = 0.3
        for k, x in enumerate(np.arange(0.2, width - 0.2 - strip / 2, strip)):
            colour = frame if k % 2 else rgb("efe9dd")
            pen.polygon([(x, 2.9), (x + strip, 2.9), (x + strip, 2.35), (x, 2.35)], colour)
            pen.ellipse(x + strip / 2, 2.35, strip / 2, 0.1, tone(colour, 0.9))
