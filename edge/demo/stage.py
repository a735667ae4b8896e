"""One run of the built-in scene: the street lives on, pictures of it are taken, and the truth is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo import body, figure, gait, ground, houses, layout, light, looks, props, traffic
from edge.demo.camera import Camera, between
from edge.demo.crowd import STEP_S, Crowd, step_length_m
from edge.demo.pen import SHIFT, Sprite, compose, seen_patch
from edge.demo.sensor import SHUTTER, Sensor
from edge.demo.street import Street
from edge.demo.truth import Truth
from edge.types import Image, Int64s

Float64s = npt.NDArray[np.float64]

SHADOW = 0.92  # how much of the sunshine a person takes away
RUN_IN_S = 6.0  # until the crowd has found its pace
SHADOW_REACH_M = 4.0  # people so far outside the picture may still throw a shadow into it
NEAREST_M = 3.0  # nearer people walk beneath the camera
LEAST_PX = 12  # people with a smaller box in the picture are not there yet


@dataclass(frozen=True)
class Thing:
    """Something to draw. `person` is its number in the scene, from 1; 0 for what is no person."""

    sprite: Sprite
    person: int


class Stage:
    """`advance` moves the people on, `shoot` takes a picture. Everything follows from the arguments.

    Of the people `waiting` stand still all the time. With `street` it is one of the views of a street that several
    cameras watch.
    """

    def __init__(
        self,
        people: int,
        seed: int,
        size: tuple[int, int],
        *,
        moving: bool,
        waiting: int = 0,
        street: Street | None = None,
    ) -> None:
        self.camera = Camera(*size, moving)
        everywhere = [np.random.default_rng([seed, k]) for k in range(6)]
        rngs = everywhere if street is None else street.rngs(seed)
        plan = layout.plan(rngs[0])
        self._light = light.daylight(rngs[1])
        self._clothes = body.wardrobe([looks.dress(everywhere[2]) for _ in range(people)])
        self._legs_m = self._clothes.heights_m * gait.LEG
        self._street = street
        self._crowd = Crowd(
            people,
            plan if street is None else street.whole(seed),
            float(self.camera.half_width_m(1.0)),
            self._legs_m,
            everywhere[3],
            None if street is None else street.half_length_m,
        )
        self._crowd.make_wait(waiting, np.random.default_rng([seed, 6]))
        self._traffic = traffic.Traffic(plan.crossing_x, rngs[4])
        clock = rngs[4] if street is None else everywhere[4]  # the signals of a street are the same in all its views
        self._crowd.time_s = float(clock.uniform(0, layout.SIGNAL_PERIOD_S))
        self._start_s = self._crowd.time_s + RUN_IN_S
        self._positions_before = self._crowd.positions.copy()
        self._paint(plan, rngs[5])
        self._car_bodies: dict[tuple[object, ...], Image] = {}
        if street is None:
            self._sensor = Sensor(seed, *size)
        else:
            self._sensor = Sensor(seed * street.cameras + street.view, *size, street.gains_bgr(seed))
        self._view = self.camera.view(0.0)
        self.time_s = 0.0
        self.advance(0.0)

    def _paint(self, plan: layout.Layout, rng: np.random.Generator) -> None:
        """Paint what never moves. The sunshine is a picture of its own, so that shadows can take it away."""
        margin = self.camera.margin_px
        below = ground.paint(self.camera, plan, self._light, rng)
        above = houses.paint(self.camera, self._light, rng)
        shape = (self.camera.height + 2 * margin, self.camera.width + 2 * margin, 3)
        self._background = np.zeros(shape, np.uint8)
        self._background[: above.shape[0]] = above[: shape[0]]
        self._background[below.top :] = below.sunny
        self._sunshine = np.zeros(shape, np.uint8)
        self._sunshine[below.top :] = cv2.subtract(below.sunny, below.shaded)
        self._sunlight = np.ones(shape[:2], np.float32)
        self._sunlight[below.top :] = below.sunlight
        self._props = sorted(props.stand(self.camera, plan, self._light, rng), key=lambda sprite: -sprite.y)
        for sprite in self._props:
            compose(self._background, sprite.patch, sprite.left + margin, sprite.top + margin)
            hole = sprite.patch.copy()
            hole[..., :3] = 0
            compose(self._sunshine, hole, sprite.left + margin, sprite.top + margin)

    def advance(self, time_s: float) -> None:
        """Let the street live until `time_s`, which never goes back."""
        self.time_s = time_s
        while self._crowd.time_s < self._start_s + time_s:
            self._positions_before = self._crowd.positions.copy()
            self._crowd.step()
            self._traffic.step(self._crowd.time_s, STEP_S)

    def shoot(self, frame_s: float) -> tuple[Image, Truth]:
        """The picture (uint8 BGR, a new array) and the truth of now.

        `frame_s` is the time a frame takes: the shutter is open for a share of it.
        """
        view = self.camera.view(self.time_s)
        motion = between(self._view, view)
        self._view = view
        who, positions, joints = self._bodies()
        clothes = self._clothes.of(who)
        ends = body.segments(joints, clothes)
        sun = self._sun_at(positions)
        people = figure.figures(ends, joints, clothes, self.camera, view, self._light, sun)
        picture = self._resting(self._background, view)
        self._cast_shadows(picture, ends, clothes, view)
        numbers, silhouettes = self._draw(picture, people, who, positions, view, frame_s)
        truth = _truth(people.boxes_xyxy, who, self.camera, numbers, silhouettes, motion)
        smear = between(self.camera.view(self.time_s - frame_s), view)
        return self._sensor.expose(picture, self.time_s, smear), truth

    def _bodies(self) -> tuple[npt.NDArray[np.intp], Float64s, gait.Joints]:
        """Who may be seen, their positions `[P, 2]` and joints between the last two steps of the crowd."""
        crowd = self._crowd
        late_s = float(np.clip(crowd.time_s - self._start_s - self.time_s, 0, STEP_S))
        moved = crowd.positions - self._positions_before
        moved[np.abs(moved).max(1) > 1] = 0  # those who came back elsewhere
        speeds = np.hypot(*crowd.velocities.T)
        phases = crowd.phases - np.pi * speeds / step_length_m(self._legs_m, speeds) * late_s
        positions = crowd.positions - moved * (late_s / STEP_S)
        who = np.arange(len(positions))
        if self._street is not None:
            positions[:, 0] -= self._street.x_m
            reach = self.camera.half_width_m(positions[:, 1]) + SHADOW_REACH_M
            who = np.flatnonzero((np.abs(positions[:, 0]) < reach) & (positions[:, 1] > NEAREST_M))
        rows = (array[who] for array in (positions, crowd.headings, phases, speeds, self._clothes.heights_m))
        return who, positions[who], gait.joints(*rows)

    def _resting(self, canvas: Image, view: Float64s) -> Image:
        """The part of a painted canvas that the camera sees, as a new array."""
        if not self.camera.moving:
            return canvas.copy()
        shift = view.copy()
        shift[:, 2] -= view[:, :2] @ np.full(2, float(self.camera.margin_px))
        return cv2.warpAffine(canvas, shift, (self.camera.width, self.camera.height), flags=cv2.INTER_LINEAR)

    def _sun_at(self, positions: Float64s) -> Float64s:
        """Sunshine 0..1 where people stand."""
        feet = self.camera.project(np.column_stack([positions, np.zeros(len(positions))])) + self.camera.margin_px
        limits = np.array(self._sunlight.shape[::-1]) - 1
        columns, rows = np.clip(feet, 0, limits).astype(int).T
        return self._sunlight[rows, columns].astype(np.float64)

    def _cast_shadows(self, picture: Image, ends: Float64s, clothes: body.Wardrobe, view: Float64s) -> None:
        """Take the sunshine away where people keep it off, once, however many do."""
        shapes = figure.shadow_shapes(ends, clothes, self.camera, view, self._light)
        sunshine = self._resting(self._sunshine, view) if self.camera.moving else self._sunshine
        mask = np.zeros(picture.shape[:2], np.uint8)
        for part in np.round(shapes * (1 << SHIFT)).astype(np.int32).reshape(-1, *shapes.shape[2:]):
            cv2.fillConvexPoly(mask, part, round(255 * SHADOW), cv2.LINE_8, SHIFT)
        lows = np.maximum(0, np.floor(shapes.min((1, 2))).astype(int) - 3)
        highs = np.maximum(0, np.ceil(shapes.max((1, 2))).astype(int) + 3)
        for (x0, y0), (x1, y1) in zip(lows.tolist(), highs.tolist(), strict=True):
            part = mask[y0:y1, x0:x1]
            if part.size:
                under = picture[y0:y1, x0:x1]
                soft = cv2.cvtColor(cv2.blur(part, (3, 3)), cv2.COLOR_GRAY2BGR)
                cv2.subtract(under, cv2.multiply(sunshine[y0:y1, x0:x1], soft, scale=1 / 255), dst=under)
                part[...] = 0

    def _draw(
        self,
        picture: Image,
        people: figure.Figures,
        who: npt.NDArray[np.intp],
        positions: Float64s,
        view: Float64s,
        frame_s: float,
    ) -> tuple[npt.NDArray[np.uint16], Int64s]:
        """Draw what moves and what stands in front of it, from far to near.

        Returns whose pixel each is (0: nobody's) and the pixels of everybody's whole silhouette.
        """
        numbers = np.zeros(picture.shape[:2], np.uint16)
        silhouettes = np.zeros(len(positions), np.int64)
        drawn: list[tuple[int, int, int, int]] = []
        for thing in self._things(people, who, positions, view, frame_s, silhouettes, drawn):
            met = compose(picture, thing.sprite.patch, thing.sprite.left, thing.sprite.top)
            if met is not None:
                opaque = thing.sprite.patch[met.patch_rows, met.patch_columns, 3] > 127
                np.copyto(numbers[met.rows, met.columns], np.uint16(thing.person), where=opaque)
                drawn.append(thing.sprite.extent)
        return numbers, silhouettes

    def _things(
        self,
        people: figure.Figures,
        who: npt.NDArray[np.intp],
        positions: Float64s,
        view: Float64s,
        frame_s: float,
        silhouettes: Int64s,
        drawn: list[tuple[int, int, int, int]],
    ) -> Iterator[Thing]:
        """Everything in the order of drawing; standing things only where something was drawn behind them."""
        queue: list[tuple[float, int | traffic.Car | Sprite]] = []
        queue += [(y, i) for i, y in enumerate(positions[:, 1].tolist())]
        queue += [(traffic.lane_y(car), car) for car in self._traffic.cars]
        queue += [(sprite.y, sprite) for sprite in self._props]
        for y, item in sorted(queue, key=lambda entry: -entry[0]):
            if isinstance(item, Sprite):
                standing = item if not self.camera.moving else seen_patch(item.patch, (item.left, item.top), view, y)
                if any(standing.meets(extent) for extent in drawn):
                    yield Thing(standing, 0)
            elif isinstance(item, traffic.Car):
                yield Thing(self._car(item, view, frame_s), 0)
            elif _in_picture(people.boxes_xyxy[item], self.camera):
                patch, left, top = figure.draw(people, item)
                silhouettes[item] = cv2.countNonZero(cv2.compare(patch[..., 3], 127, cv2.CMP_GT))
                speed_px = abs(float(self._crowd.velocities[who[item], 0])) * self.camera.focal_px / y
                blur = round(speed_px * frame_s * SHUTTER)
                if blur > 1:
                    patch = cv2.blur(patch, (blur, 1))
                yield Thing(Sprite(patch, left, top, y), int(who[item]) + 1)

    def _car(self, car: traffic.Car, view: Float64s, frame_s: float) -> Sprite:
        y = traffic.lane_y(car)
        scale = self.camera.focal_px / y
        key = _look(car)
        if key not in self._car_bodies:
            # Cars leave and come back in another paint, for ever: looks that nobody has any more are forgotten.
            looks = {_look(other) for other in self._traffic.cars}
            self._car_bodies = {look: body for look, body in self._car_bodies.items() if look in looks}
            self._car_bodies[key] = traffic.body(car, scale, self._light)
        patch = traffic.wheels(self._car_bodies[key], car, scale)
        u, v = self.camera.project(np.array([car.x, y, 0.0])) - np.array(traffic.origin(car)) * scale
        blur = round(car.speed * scale * frame_s * SHUTTER)
        if blur > 1:
            patch = cv2.blur(cv2.copyMakeBorder(patch, 0, 0, blur, blur, cv2.BORDER_CONSTANT), (blur, 1))
            u -= blur
        return seen_patch(patch, (u, v), view, y)


def _look(car: traffic.Car) -> tuple[object, ...]:
    """What a car's body is painted from."""
    return car.lane, car.van, car.paint


def _in_picture(box: Float64s, camera: Camera) -> bool:
    return bool(box[2] > 0 and box[0] < camera.width and box[3] > 0 and box[1] < camera.height)


def _truth(
    boxes_xyxy: Float64s,
    who: npt.NDArray[np.intp],
    camera: Camera,
    numbers: npt.NDArray[np.uint16],
    silhouettes: Int64s,
    motion: Float64s,
) -> Truth:
    boxes = figure.clipped(boxes_xyxy, camera)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    rows = np.flatnonzero((areas >= LEAST_PX) & (silhouettes > 0))
    visibility = np.zeros(len(rows), np.float32)
    for k, i in enumerate(rows.tolist()):
        x0, y0 = np.floor(boxes[i, :2]).astype(int)
        x1, y1 = np.ceil(boxes[i, 2:]).astype(int)
        seen = cv2.countNonZero(cv2.inRange(numbers[y0:y1, x0:x1], int(who[i]) + 1, int(who[i]) + 1))
        visibility[k] = min(1.0, seen / int(silhouettes[i]))
    return Truth(who[rows] + 1, boxes[rows], visibility, motion)
