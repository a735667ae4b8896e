"""What stands on the street: trees, lamps, signals, an advertising column, a bench, a planter, a bin, bollards."""

import numpy as np

from edge.demo.camera import HEIGHT_M, Camera
from edge.demo.layout import CROSSING_HALF_WIDTH, NEAR_KERB_Y, TREE_Y, Layout
from edge.demo.light import Light
from edge.demo.pen import Pen, Sprite, mix, place, rgb, tone
from edge.demo.traffic import lit_patch

POSTERS = [rgb(c) for c in ("d9534f", "3d7dc4", "f2c14e", "2f8f83", "7d4fa3", "e8e0d2", "2d2f33", "f08a3c")]
IRON = rgb("34383c")


def stand(camera: Camera, layout: Layout, light: Light, rng: np.random.Generator) -> list[Sprite]:
    """Everything in place, as patches of the resting picture without its margin."""
    painters = {"column": _column, "bench": _bench, "planter": _planter, "bin": _bin}
    things = [(painters[kind], x, y) for kind, x, y in layout.props]
    things += [(_tree, x, TREE_Y) for x in layout.tree_xs] + [(_lamp, x, TREE_Y) for x in layout.lamp_xs]
    things += [(_signal, layout.crossing_x + s * (CROSSING_HALF_WIDTH + 0.6), NEAR_KERB_Y - 0.2) for s in (-1, 1)]
    away = CROSSING_HALF_WIDTH + 1.4
    things += [(_bollard, x, NEAR_KERB_Y - 0.15) for x in np.arange(-9, 10, 1.9) if abs(x - layout.crossing_x) > away]
    sprites = []
    for painter, x, y in things:
        scale = camera.focal_px / y
        pen = painter(scale, light, rng)
        pen.patch = lit_patch(pen.patch, light, y)
        sprites.append(place(pen, camera.width / 2 + scale * x, camera.horizon_px + scale * HEIGHT_M, y))
    return sprites


def _tree(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -2.6, 2.6, 6.6, -0.2)
    bark = rgb("6a5442")
    pen.ellipse(0, 0.02, 0.55, 0.13, rgb("4a3b2e"))
    pen.polygon([(-0.17, 0), (0.17, 0), (0.1, 3.2), (-0.1, 3.2)], tone(bark, 0.75))
    pen.polygon([(-0.17 + 0.08, 0), (0.12, 0), (0.07, 3.2), (-0.04, 3.2)], tone(bark, 1.05))
    for dx in (-0.9, 0.8, 0.1):
        pen.line([(0, 2.6), (dx, 4.2)], 0.09, tone(bark, 0.7))
    leaf = rgb(str(rng.choice(["4f7a3a", "5d8a45", "6f8f3c", "3f6b45", "b07a2f"])))
    count = 420
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    x = 2.0 * radius * np.cos(angle) + 0.25 * rng.standard_normal(count)
    z = 4.4 + 1.55 * radius * np.sin(angle) + 0.2 * rng.standard_normal(count)
    bright = 0.62 + 0.2 * (x * light.side[0] / 2.0 + (z - 4.4) / 1.5)
    for k in np.argsort(bright + 0.15 * rng.standard_normal(count)):
        size = rng.uniform(0.1, 0.26)
        colour = tone(leaf, float(max(0.35, bright[k] * 1.25 + 0.08 * rng.standard_normal())))
        pen.ellipse(float(x[k]), float(z[k]), size, size * 0.7, colour, float(rng.uniform(0, 180)))
    return pen


def _lamp(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -0.9, 0.9, 5.4, -0.1)
    pen.rectangle(-0.13, 0, 0.13, 0.35, tone(IRON, 0.9))
    pen.polygon([(-0.06, 0.3), (0.06, 0.3), (0.035, 4.6), (-0.035, 4.6)], IRON)
    pen.line([(0.03 * light.side[0], 0.4), (0.03 * light.side[0], 4.5)], 0.02, tone(IRON, 1.7))
    pen.line([(-0.5, 4.5), (0, 4.75), (0.5, 4.5)], 0.05, IRON)
    for x in (-0.5, 0.5):
        pen.polygon([(x - 0.16, 4.5), (x + 0.16, 4.5), (x + 0.1, 4.1), (x - 0.1, 4.1)], rgb("f4ecd2"))
        pen.polygon([(x - 0.2, 4.5), (x + 0.2, 4.5), (x, 4.68)], IRON)
    return pen


def _signal(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -0.4, 0.4, 3.4, -0.1)
    pen.rectangle(-0.05, 0, 0.05, 2.6, tone(IRON, 1.3))
    pen.rectangle(-0.15, 2.4, 0.15, 3.2, tone(IRON, 0.7))
    for z, colour in ((3.0, "5a2420"), (2.8, "5a4a1c"), (2.58, "1f4a2c")):
        pen.ellipse(0, z, 0.085, 0.085, rgb(colour))
    return pen


def _column(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -0.9, 0.9, 3.7, -0.2)
    pen.ellipse(0, 0.02, 0.72, 0.13, tone(IRON, 0.7))
    pen.rectangle(-0.62, 0, 0.62, 3.0, rgb("cfc8ba"))
    for _ in range(9):
        x, z = rng.uniform(-0.62, 0.25), rng.uniform(0.35, 2.1)
        width, height = rng.uniform(0.3, 0.5), rng.uniform(0.4, 0.75)
        paper = POSTERS[rng.integers(len(POSTERS))]
        right = min(0.62, x + width)
        pen.rectangle(x, z, right, z + height, paper)
        other = POSTERS[rng.integers(len(POSTERS))]
        pen.ellipse((x + right) / 2, z + height * 0.62, width * 0.26, height * 0.2, other)
        for k in range(3):
            pen.rectangle(
                x + 0.05, z + 0.05 + 0.07 * k, right - 0.05, z + 0.08 + 0.07 * k, mix(paper, (250, 250, 250), 0.7)
            )
    shade = np.clip(1.05 + 0.3 * np.linspace(-1, 1, pen.patch.shape[1]) * np.sign(light.side[0]), 0.5, 1.2)
    pen.patch[..., :3] = np.minimum(pen.patch[..., :3] * shade[None, :, None], pen.patch[..., 3:]).astype(np.uint8)
    pen.ellipse(0, 3.0, 0.74, 0.14, tone(IRON, 1.2))
    pen.ellipse(0, 3.1, 0.6, 0.38, tone(IRON, 0.95))
    pen.rectangle(-0.66, 0, 0.66, 0.22, IRON)
    return pen


def _bench(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -1.1, 1.1, 1.1, -0.15)
    wood = rgb("8f6238")
    pen.ellipse(0, 0.02, 1.0, 0.1, rgb("54504a"))
    for x in (-0.8, 0.8):
        pen.rectangle(x - 0.05, 0, x + 0.05, 0.85, IRON)
    for z in (0.58, 0.72, 0.86):
        pen.rectangle(-1.0, z, 1.0, z + 0.1, tone(wood, 0.95))
    pen.polygon([(-1.0, 0.42), (1.0, 0.42), (1.06, 0.52), (-1.06, 0.52)], tone(wood, 1.2))
    pen.rectangle(-1.0, 0.37, 1.0, 0.42, tone(wood, 0.7))
    return pen


def _planter(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -1.0, 1.0, 1.5, -0.2)
    stone = rgb("a8a49c")
    pen.ellipse(0, 0.02, 0.85, 0.16, rgb("5a554e"))
    pen.polygon([(-0.65, 0), (0.65, 0), (0.78, 0.55), (-0.78, 0.55)], stone)
    pen.polygon([(-0.65, 0), (0.1, 0), (0.1, 0.55), (-0.78, 0.55)], tone(stone, 0.82 if light.side[0] > 0 else 1.12))
    pen.ellipse(0, 0.55, 0.8, 0.17, tone(stone, 1.15))
    pen.ellipse(0, 0.56, 0.68, 0.12, rgb("4a3b2e"))
    leaf, bloom = rgb("55803f"), POSTERS[rng.integers(5)]
    for _ in range(150):
        x = rng.uniform(-0.66, 0.66)
        z = 0.58 + abs(rng.normal(0, 0.2)) * (1.2 - abs(x))
        pen.ellipse(x, z, 0.07, 0.05, tone(leaf, rng.uniform(0.6, 1.35)), rng.uniform(0, 180))
    for _ in range(40):
        x = rng.uniform(-0.6, 0.6)
        pen.ellipse(
            x, 0.66 + abs(rng.normal(0, 0.2)) * (1.2 - abs(x)), 0.045, 0.045, tone(bloom, rng.uniform(0.85, 1.2))
        )
    return pen


def _bin(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -0.4, 0.4, 1.2, -0.1)
    green = rgb("3f5a4a")
    pen.ellipse(0, 0.02, 0.32, 0.06, rgb("54504a"))
    pen.polygon([(-0.22, 0), (0.22, 0), (0.27, 0.85), (-0.27, 0.85)], green)
    pen.polygon([(0.02, 0), (0.14, 0), (0.17, 0.85), (0.02, 0.85)], tone(green, 1.3))
    pen.ellipse(0, 0.86, 0.3, 0.09, tone(green, 0.7))
    return pen


def _bollard(scale: float, light: Light, rng: np.random.Generator) -> Pen:
    pen = Pen(scale, -0.2, 0.2, 1.0, -0.05)
    pen.rectangle(-0.06, 0, 0.06, 0.78, IRON)
    pen.rectangle(-0.06, 0.6, 0.06, 0.68, rgb("d8d8d4"))
    pen.ellipse(0, 0.8, 0.075, 0.07, tone(IRON, 1.3))
    return pen
