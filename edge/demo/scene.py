"""The built-in scene: a seeded street with walking people, as a source of frames with exact ground truth.

    demo://?people=20&seed=3&frames=300&size=1280x720&fps=30&camera=still

The same options give the same pictures, bit for bit, on one machine. Training uses seeds from `TRAINING_SEEDS` up;
scores are measured on smaller ones.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
import numpy.typing as npt

from edge.demo import figure, gait, ground, houses, layout, light, looks, props, traffic
from edge.demo.camera import Camera, between
from edge.demo.crowd import STEP_S, Crowd
from edge.demo.pen import SHIFT, Sprite, compose
from edge.errors import UsageError
from edge.types import Float32s, Frame, Image, Int64s

Float64s = npt.NDArray[np.float64]

SHUTTER = 0.35  # share of the time between frames in which the camera sees
NOISE = 2.6  # standard deviation of the sensor noise, grey levels
SHADOW = 0.92  # how much of the sunshine a person takes away
RUN_IN_S = 6.0
TRAINING_SEEDS = 100_000
LEAST_SEEN_PX = 12  # silhouettes with fewer pixels in the picture are not people yet


@dataclass(frozen=True)
class Truth:
    """What is in a frame: M people, each the same identity whenever it is in the picture.

    `boxes_xyxy` float32 `[M, 4]` hold the whole silhouette, hidden parts included, cut at the picture's border.
    `visibility` float32 `[M]` is the share of the whole silhouette that is seen: what others cover and what lies
    outside the picture is missing. `motion` float64 `[2, 3]` takes pixels of the previous frame to this one, as far
    as the camera moved. `ids` start at 1.
    """

    ids: Int64s
    boxes_xyxy: Float32s
    visibility: Float32s
    motion: Float64s


@dataclass(frozen=True)
class Options:
    """What the address of a scene may say. `frames` 0 never ends."""

    people: int = 20
    seed: int = 0
    frames: int = 0
    size: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    camera: str = "still"


class Scene:
    """A street and its people. Iterating gives `(Frame, Truth)`; every iteration starts at the beginning."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.size = self.options.size
        self.frame_rate = self.options.fps
        self.frame_count = self.options.frames or None

    @classmethod
    def from_url(cls, url: str) -> "Scene":
        """The scene of a `demo://` address. Raises UsageError on an unknown option or a value out of range."""
        return cls(parse(url))

    def __iter__(self) -> Iterator[tuple[Frame, Truth]]:
        stage = Stage(self.options)
        number = 0
        while self.frame_count is None or number < self.frame_count:
            time_s = number / self.frame_rate
            stage.advance(time_s)
            number += 1
            image, truth = stage.shoot(1 / self.frame_rate)
            yield Frame(image, number, time_s), truth


def parse(url: str) -> Options:
    """The options in a `demo://` address, checked."""
    words = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    known = {"people": (1, 200), "seed": (0, 2**31), "frames": (0, 10**9), "fps": (1, 240)}
    values: dict[str, object] = {}
    for key, word in words.items():
        if key in known:
            low, high = known[key]
            number = _number(url, key, word, low, high)
            values[key] = number if key == "fps" else int(number)
        elif key == "size":
            values[key] = _size(url, word)
        elif key == "camera" and word in ("still", "moving"):
            values[key] = word
        elif key == "camera":
            raise UsageError(f"{url}: camera={word}: expected still or moving")
        else:
            raise UsageError(f"{url}: unknown option {key!r}: expected people, seed, frames, size, fps or camera")
    return Options(**values)  # type: ignore[arg-type]


def _number(url: str, key: str, word: str, low: int, high: int) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not low <= number <= high or (key != "fps" and number != int(number)):
        kind = "a number" if key == "fps" else "a whole number"
        raise UsageError(f"{url}: {key}={word}: expected {kind} from {low} to {high}")
    return number


def _size(url: str, word: str) -> tuple[int, int]:
    width, _, height = word.partition("x")
    if not (width.isdecimal() and height.isdecimal() and all(64 <= int(n) <= 4096 for n in (width, height))):
        raise UsageError(f"{url}: size={word}: expected WIDTHxHEIGHT from 64 to 4096 pixels, for example 1280x720")
    return int(width), int(height)


class Stage:
    """One run of a scene: `advance` moves the people on, `shoot` takes a picture."""

    def __init__(self, options: Options) -> None:
        width, height = options.size
        self.camera = Camera(width, height, options.camera == "moving")
        rngs = [np.random.default_rng([options.seed, k]) for k in range(6)]
        self._seed = options.seed
        plan = layout.plan(rngs[0])
        self.light = light.daylight(rngs[1])
        self.looks = [looks.dress(rngs[2]) for _ in range(options.people)]
        self._clothes = figure.wardrobe(self.looks)
        legs_m = self._clothes.heights_m * gait.LEG
        self._crowd = Crowd(options.people, plan, float(self.camera.half_width_m(1.0)), legs_m, rngs[3])
        self._traffic = traffic.Traffic(plan.crossing_x, rngs[4])
        self._crowd.time_s = float(rngs[4].uniform(0, layout.SIGNAL_PERIOD_S))
        self._start_s = self._crowd.time_s + RUN_IN_S
        self._before = self._crowd.positions.copy()
        self._paint(plan, rngs[5])
        self._bodies: dict[tuple[object, ...], Image] = {}
        self._grain = _grain(rngs[5], width, height)
        self._view = self.camera.view(0.0)
        self.time_s = 0.0
        self.advance(0.0)

    def _paint(self, plan: layout.Layout, rng: np.random.Generator) -> None:
        """Paint what never moves. The sunshine is a picture of its own, so that shadows can take it away."""
        margin = self.camera.margin_px
        below = ground.paint(self.camera, plan, self.light, rng)
        above = houses.paint(self.camera, self.light, rng)
        shape = (self.camera.height + 2 * margin, self.camera.width + 2 * margin, 3)
        self._background = np.zeros(shape, np.uint8)
        self._background[: above.shape[0]] = above[: shape[0]]
        self._background[below.top :] = below.sunny
        self._sunshine = np.zeros(shape, np.uint8)
        self._sunshine[below.top :] = cv2.subtract(below.sunny, below.shaded)
        self._sunlight = np.ones(shape[:2], np.float32)
        self._sunlight[below.top :] = below.sunlight
        self._props = sorted(props.stand(self.camera, plan, self.light, rng), key=lambda s: -s.y)
        for sprite in self._props:
            compose(self._background, sprite.patch, sprite.left + margin, sprite.top + margin)
            hole = sprite.patch.copy()
            hole[..., :3] = 0
            compose(self._sunshine, hole, sprite.left + margin, sprite.top + margin)

    def advance(self, time_s: float) -> None:
        """Let the street live until `time_s`, which never goes back."""
        self.time_s = time_s
        while self._crowd.time_s < self._start_s + time_s:
            self._before = self._crowd.positions.copy()
            self._crowd.step()
            self._traffic.step(self._crowd.time_s, STEP_S)

    def shoot(self, frame_s: float) -> tuple[Image, Truth]:
        """The picture and the truth of now; `frame_s` is the time between pictures, for the blur of motion."""
        view = self.camera.view(self.time_s)
        motion = between(self._view, view)
        self._view = view
        picture = self._resting(self._background, view)
        late_s = self._crowd.time_s - self._start_s - self.time_s
        share = 1 - min(1.0, max(0.0, late_s / STEP_S))
        positions = self._before + (self._crowd.positions - self._before) * share
        jumped = np.abs(self._crowd.positions - self._before).max(1) > 1.0
        positions[jumped] = self._crowd.positions[jumped]
        crowd = self._crowd
        speeds = np.hypot(*crowd.velocities.T)
        phases = crowd.phases - np.pi * speeds / step_length(self._clothes, speeds) * late_s
        body = gait.joints(positions, crowd.headings, phases, speeds, self._clothes.heights_m)
        ends = figure.segments(body, self._clothes)
        people = figure.figures(ends, body, self._clothes, self.camera, view, self.light, self._sun_at(positions))
        self._cast_shadows(picture, ends, view)
        ids, seen, whole = self._draw(picture, people, view, frame_s)
        return self._develop(picture, motion), _truth(people, self.camera, ids, seen, whole, motion)

    def _resting(self, canvas: Image, view: Float64s) -> Image:
        if not self.camera.moving:
            return canvas.copy()
        margin = self.camera.margin_px
        shift = view.copy()
        shift[:, 2] -= view[:, :2] @ (margin, margin)
        return cv2.warpAffine(canvas, shift, (self.camera.width, self.camera.height), flags=cv2.INTER_LINEAR)

    def _sun_at(self, positions: Float64s) -> Float64s:
        feet = self.camera.project(np.column_stack([positions, np.full(len(positions), 0.02)])) + self.camera.margin_px
        rows = np.clip(feet[:, 1].astype(int), 0, self._sunlight.shape[0] - 1)
        columns = np.clip(feet[:, 0].astype(int), 0, self._sunlight.shape[1] - 1)
        return self._sunlight[rows, columns].astype(np.float64)

    def _cast_shadows(self, picture: Image, ends: Float64s, view: Float64s) -> None:
        shapes = figure.shadow_shapes(ends, self._clothes, self.camera, view, self.light)
        sunshine = self._resting(self._sunshine, view) if self.camera.moving else self._sunshine
        mask = np.zeros(picture.shape[:2], np.uint8)
        fixed = np.round(shapes * (1 << SHIFT)).astype(np.int32)
        for person in fixed:
            for part in person:
                cv2.fillConvexPoly(mask, part, round(255 * SHADOW), cv2.LINE_8, SHIFT)
        for person in shapes:
            low = np.floor(person.min((0, 1))).astype(int) - 3
            high = np.ceil(person.max((0, 1))).astype(int) + 3
            rows = slice(max(0, low[1]), max(0, high[1]))
            columns = slice(max(0, low[0]), max(0, high[0]))
            part = mask[rows, columns]
            if not part.size:
                continue
            soft = cv2.cvtColor(cv2.blur(part, (3, 3)), cv2.COLOR_GRAY2BGR)
            cv2.subtract(
                picture[rows, columns],
                cv2.multiply(sunshine[rows, columns], soft, scale=1 / 255),
                dst=picture[rows, columns],
            )
            part[...] = 0

    def _draw(
        self, picture: Image, people: figure.Figures, view: Float64s, frame_s: float
    ) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_], Int64s]:
        """Everything that moves, and whatever stands in front of it, from far to near."""
        ids = np.zeros(picture.shape[:2], np.uint16)
        whole = np.zeros(len(people.boxes_xyxy), np.int64)
        depths = self._crowd.positions[:, 1]
        things: list[tuple[float, int, object]] = [(y, 0, i) for i, y in enumerate(depths.tolist())]
        things += [(traffic.lane_y(car), 1, car) for car in self._traffic.cars]
        things += [(sprite.y, 2, sprite) for sprite in self._props]
        touched: list[tuple[int, int, int, int]] = []
        for _, kind, thing in sorted(things, key=lambda t: (-t[0], t[1])):
            if kind == 0:
                i = int(thing)  # type: ignore[call-overload]
                if not _in_picture(people.boxes_xyxy[i], self.camera):
                    continue
                patch, left, top = figure.draw(people, i)
                whole[i] = cv2.countNonZero(cv2.compare(patch[..., 3], 127, cv2.CMP_GT))
                blur = round(
                    abs(float(self._crowd.velocities[i, 0])) * self.camera.focal_px / depths[i] * frame_s * SHUTTER
                )
                if blur > 1:
                    patch = cv2.blur(patch, (blur, 1))
                mark = i + 1
            elif kind == 1:
                patch, left, top = self._car(thing, view, frame_s)  # type: ignore[arg-type]
                mark = 0
            else:
                patch, left, top = self._moved(thing, view)  # type: ignore[arg-type]
                mark = 0
                if not any(_meet(box, left, top, patch) for box in touched):
                    continue
            met = compose(picture, patch, left, top)
            if met is not None:
                rows, columns, patch_rows, patch_columns = met
                np.copyto(ids[rows, columns], np.uint16(mark), where=patch[patch_rows, patch_columns, 3] > 127)
                touched.append((left, top, left + patch.shape[1], top + patch.shape[0]))
        seen = np.array([_in_picture(box, self.camera) for box in people.boxes_xyxy])
        return ids, seen, whole

    def _car(self, car: traffic.Car, view: Float64s, frame_s: float) -> tuple[Image, int, int]:
        y = traffic.lane_y(car)
        scale = self.camera.focal_px / y
        key = (car.lane, car.van, car.paint)
        if key not in self._bodies:
            self._bodies[key] = traffic.body(car, scale, self.light)
        patch = traffic.wheels(self._bodies[key], car, scale)
        point = self.camera.project(np.array([car.x, y, 0.0])) + (-(car.length_m / 2 + 0.2) * scale, -2.4 * scale)
        blur = round(car.speed * scale * frame_s * SHUTTER)
        if blur > 1:
            patch = cv2.blur(cv2.copyMakeBorder(patch, 0, 0, blur, blur, cv2.BORDER_CONSTANT), (blur, 1))
            point = point - (blur, 0)
        return _placed(patch, point, view)

    def _moved(self, sprite: Sprite, view: Float64s) -> tuple[Image, int, int]:
        if not self.camera.moving:
            return sprite.patch, sprite.left, sprite.top
        return _placed(sprite.patch, np.array([sprite.left, sprite.top], float), view)

    def _develop(self, picture: Image, motion: Float64s) -> Image:
        """Blur of the camera's motion, passing clouds, and the noise of the sensor."""
        if self.camera.moving:
            kernel = [
                max(1, round(SHUTTER * abs(float(s))))
                for s in motion @ (picture.shape[1] / 2, picture.shape[0] / 2, 1)
                - (picture.shape[1] / 2, picture.shape[0] / 2)
            ]
            if max(kernel) > 1:
                picture = cv2.blur(picture, kernel)
        t = self.time_s + 37.0 * (self._seed % 101)
        gain = 1.02 + 0.06 * math.sin(0.31 * t) + 0.03 * math.sin(0.83 * t + 1)
        picture = cv2.convertScaleAbs(picture, alpha=gain)
        rng = np.random.default_rng([self._seed, 7, round(self.time_s * 1000)])
        dy, dx = rng.integers(0, GRAIN_SPARE, 2)
        grain = self._grain[dy : dy + picture.shape[0], dx : dx + picture.shape[1]]
        return cv2.subtract(cv2.add(picture, grain), (round(4 * NOISE),) * 3 + (0,))


GRAIN_SPARE = 64


def _grain(rng: np.random.Generator, width: int, height: int) -> Image:
    """Sensor noise around 4 standard deviations, to be added and then lifted off again."""
    noise = rng.standard_normal((height + GRAIN_SPARE, width + GRAIN_SPARE, 3), np.float32)
    return np.clip(np.round((noise + 4) * NOISE), 0, 255).astype(np.uint8)


def step_length(clothes: figure.Wardrobe, speeds: Float64s) -> Float64s:
    from edge.demo.crowd import step_length_m

    return step_length_m(clothes.heights_m * gait.LEG, speeds)


def _placed(patch: Image, point: Float64s, view: Float64s) -> tuple[Image, int, int]:
    """A patch with its upper left corner at `point` of the resting picture, as the camera's view shows it."""
    corners = np.array([[0, 0], [patch.shape[1], 0], [0, patch.shape[0]], [patch.shape[1], patch.shape[0]]], float)
    seen = (corners + point) @ view[:, :2].T + view[:, 2]
    low, high = np.floor(seen.min(0)).astype(int), np.ceil(seen.max(0)).astype(int) + 1
    shift = view.copy()
    shift[:, 2] = view[:, :2] @ point + view[:, 2] - low
    width, height = (high - low).tolist()
    return cv2.warpAffine(patch, shift, (width, height), flags=cv2.INTER_LINEAR), int(low[0]), int(low[1])


def _in_picture(box: Float64s, camera: Camera) -> bool:
    return bool(box[2] > 0 and box[0] < camera.width and box[3] > 0 and box[1] < camera.height)


def _meet(box: tuple[int, int, int, int], left: int, top: int, patch: Image) -> bool:
    return box[0] < left + patch.shape[1] and left < box[2] and box[1] < top + patch.shape[0] and top < box[3]


def _truth(
    people: figure.Figures,
    camera: Camera,
    ids: npt.NDArray[np.uint16],
    seen: npt.NDArray[np.bool_],
    whole: Int64s,
    motion: Float64s,
) -> Truth:
    boxes = figure.clipped(people.boxes_xyxy, camera)
    rows = []
    for i in np.flatnonzero(seen).tolist():
        x0, y0 = np.floor(boxes[i, :2]).astype(int)
        x1, y1 = np.ceil(boxes[i, 2:]).astype(int)
        pixels = cv2.countNonZero(cv2.inRange(ids[y0:y1, x0:x1], i + 1, i + 1)) if x1 > x0 and y1 > y0 else 0
        inside = (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
        if inside >= LEAST_SEEN_PX:
            rows.append((i, min(1.0, pixels / max(1, int(whole[i])))))
    index = np.array([i for i, _ in rows], np.int64)
    return Truth(index + 1, boxes[index], np.array([v for _, v in rows], np.float32), motion)
