"""Cars on two lanes: they keep their distance and stop where people cross."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.demo.layout import CROSSING_HALF_WIDTH, LANES_Y, SIGNAL_PERIOD_S, STOP_S
from edge.demo.light import HAZE_M, Light
from edge.demo.pen import Colour, Pen, mix, rgb, tone
from edge.types import Image

PAINTS = [rgb(c) for c in ("c9ccd1", "2b2d33", "8f1f24", "23466e", "e9e6df", "5f6b58", "b98b3a", "7d8a94")]
SPAN_M = 30.0  # cars drive from -SPAN_M to SPAN_M
GAP_M = 2.6
SHARE_VANS = 0.22
WHEEL_M = 0.33
CARS_PER_LANE = 3


@dataclass
class Car:
    """`direction` 1 drives to the right. `x` is its middle, metres."""

    lane: int
    direction: int
    van: bool
    paint: Colour
    cruise: float
    x: float
    speed: float
    length_m: float


class Traffic:
    """Cars in fixed steps, in the step of the crowd."""

    def __init__(self, crossing_x: float, rng: np.random.Generator):
        self._crossing_x = crossing_x
        self._rng = rng
        self.cars: list[Car] = []
        for lane, direction in enumerate((1, -1)):
            for k in range(CARS_PER_LANE):
                van = bool(rng.random() < SHARE_VANS)
                paint = tone(PAINTS[rng.integers(len(PAINTS))], rng.uniform(0.9, 1.1))
                cruise = float(rng.uniform(6.5, 9.5))
                x = -direction * (SPAN_M - k * 19.0 - rng.uniform(0, 6))
                self.cars.append(Car(lane, direction, van, paint, cruise, x, cruise, 5.2 if van else 4.3))

    def step(self, time_s: float, step_s: float) -> None:
        """Advance to `time_s`."""
        closed = time_s % SIGNAL_PERIOD_S < STOP_S or time_s % SIGNAL_PERIOD_S > SIGNAL_PERIOD_S - 2.0
        for car in self.cars:
            room = self._room(car, closed)
            wanted = min(car.cruise, (2 * 3.0 * max(0.0, room)) ** 0.5)  # brakes at 3 m/s2
            car.speed += float(np.clip(wanted - car.speed, -6 * step_s, 2.2 * step_s))
            car.speed = max(0.0, car.speed)
            car.x += car.direction * car.speed * step_s
            if car.direction * car.x > SPAN_M:
                self._enter(car)

    def _room(self, car: Car, closed: bool) -> float:
        """Free metres ahead of the car's front."""
        front = car.direction * car.x + car.length_m / 2
        stop = car.direction * self._crossing_x - CROSSING_HALF_WIDTH - 1.0
        room = stop - front if closed and front < stop + 0.5 else 1e3
        for other in self.cars:
            if other is not car and other.lane == car.lane and car.direction * (other.x - car.x) > 0:
                room = min(room, car.direction * other.x - other.length_m / 2 - GAP_M - front)
        return room

    def _enter(self, car: Car) -> None:
        """Start again on the other side, behind whoever is last there."""
        car.x = -car.direction * SPAN_M
        behind = [c.direction * c.x for c in self.cars if c is not car and c.lane == car.lane]
        car.x = car.direction * min(-SPAN_M, min(behind, default=0.0) - car.length_m - 3 * GAP_M)
        car.paint = tone(PAINTS[self._rng.integers(len(PAINTS))], self._rng.uniform(0.9, 1.1))
        car.speed = car.cruise


def lane_y(car: Car) -> float:
    """The car's distance from the camera."""
    return LANES_Y[car.lane]


def origin(car: Car) -> tuple[float, float]:
    """Metres from a body patch's upper left corner to the car's middle on the ground."""
    return car.length_m / 2 + 0.2, 2.4


def body(car: Car, scale: float, light: Light) -> Image:
    """The car without wheels as a patch, seen from the side, driving to the right or to the left."""
    pen = Pen(scale, -origin(car)[0], origin(car)[0], origin(car)[1], -0.1)
    paint = car.paint
    glass, dark = rgb("5a6a78"), rgb("1d1f23")
    half = car.length_m / 2
    pen.ellipse(0, 0.05, half, 0.14, (0, 0, 0))
    if car.van:
        outline = [(-half, 0.35), (-half, 1.95), (-half + 0.25, 2.12), (half - 1.35, 2.12), (half - 0.55, 1.3)]
        outline += [(half - 0.08, 1.1), (half, 0.35)]
        window = [(half - 1.5, 1.25), (half - 1.4, 1.95), (half - 1.25, 1.98), (half - 0.72, 1.25)]
        roof = [(-half + 0.2, 2.1), (-half + 0.3, 2.22), (half - 1.5, 2.22), (half - 1.3, 2.1)]
    else:
        outline = [(-half, 0.35), (-half, 0.85), (-half + 0.3, 0.95), (-half + 0.95, 1.4), (half - 1.75, 1.42)]
        outline += [(half - 1.0, 0.93), (half - 0.15, 0.78), (half, 0.55), (half, 0.35)]
        window = [(-half + 0.55, 0.95), (-half + 1.05, 1.34), (half - 1.8, 1.35), (half - 1.2, 0.95)]
        roof = [(-half + 0.95, 1.38), (-half + 1.1, 1.5), (half - 1.9, 1.5), (half - 1.72, 1.4)]
    pen.polygon(roof, tone(paint, 1.15))
    pen.polygon(outline, paint)
    pen.polygon([(-half, 0.35), (-half, 0.62), (half, 0.58), (half, 0.35)], tone(paint, 0.72))
    pen.line([(-half + 0.1, 0.84), (half - 0.25, 0.78)], 0.03, tone(paint, 1.3))
    pen.polygon(window, glass)
    shine = [(x * 0.92, 0.98 * z + 0.02) for x, z in window[:3]]
    pen.polygon(shine, mix(glass, (255, 240, 225), 0.3))
    if not car.van:
        pen.rectangle(-0.25, 0.93, -0.17, 1.4, paint)
    pen.line([(-0.3, 0.45), (-0.3, 0.9)], 0.02, tone(paint, 0.6))
    pen.rectangle(half - 0.16, 0.6, half - 0.02, 0.74, rgb("fff3cf"))
    pen.rectangle(-half + 0.01, 0.62, -half + 0.1, 0.8, rgb("d3332b"))
    for x in (-half + 0.85, half - 0.85):
        pen.ellipse(x, WHEEL_M, WHEEL_M + 0.07, WHEEL_M + 0.07, dark)
    patch = pen.patch if car.direction > 0 else pen.patch[:, ::-1]
    return lit_patch(patch, light, LANES_Y[car.lane])


def lit_patch(patch: Image, light: Light, y: float) -> Image:
    """A patch painted in plain colours as the sun and the haze show it."""
    clear = float(np.exp(-y / HAZE_M))
    gain = (light.sky + 0.75 * light.sun) * clear
    colours = patch[..., :3] * gain + light.haze * (1 - clear) * (patch[..., 3:] / 255.0)
    return np.concatenate([np.minimum(colours, patch[..., 3:]).astype(np.uint8), patch[..., 3:]], -1)


def wheels(patch: Image, car: Car, scale: float) -> Image:
    """A copy of a body with wheels turned as far as the car has driven."""
    patch = patch.copy()
    half = car.length_m / 2
    angle = np.degrees(car.x / WHEEL_M)
    for x in (-half + 0.85, half - 0.85):
        centre = round((origin(car)[0] + x) * scale * 16), round((origin(car)[1] - WHEEL_M) * scale * 16)
        radius = round(WHEEL_M * scale * 16)
        cv2.circle(patch, centre, radius, (24, 22, 22, 255), -1, cv2.LINE_AA, 4)
        cv2.circle(patch, centre, round(radius * 0.62), (150, 146, 142, 255), -1, cv2.LINE_AA, 4)
        for spoke in range(5):
            start = angle + spoke * 72
            cv2.ellipse(
                patch, centre, (round(radius * 0.5),) * 2, 0, start, start + 32, (60, 56, 54, 255), -1, cv2.LINE_AA, 4
            )
        cv2.circle(patch, centre, round(radius * 0.18), (120, 118, 116, 255), -1, cv2.LINE_AA, 4)
    return patch
