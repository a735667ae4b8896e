"""How people walk: to their goals, around each other and around obstacles, across the road when the signal lets them.

Everybody leaves the picture now and then and comes back as the same person. The movement is the social force model
(Helbing and Molnar 1995) in fixed steps, so that it does not depend on the frame rate.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.demo.layout import (
    CROSSING_HALF_WIDTH,
    FAR_KERB_Y,
    NEAR_KERB_Y,
    PAVEMENT_Y,
    SIGNAL_PERIOD_S,
    SQUARE_Y,
    WALK_S,
    Layout,
)

Float64s = npt.NDArray[np.float64]

STEP_S = 0.05
SHARE_FAR = 0.3  # of the people that begin on the far pavement
SHARE_CROSSING = 0.22  # of the routes that cross the road
SHARE_PAUSE = 0.4  # of the routes with a stop on the way
AHEAD_M = 8.0  # how far people look along a street that is longer than a picture
SHARE_PAIRED = 0.3  # of the people that walk beside another one
WAITING_GAP_M = 1.2  # people who wait stand so far apart


@dataclass
class Route:
    """Where one person is going: goals `(x, y, wait)` with `wait` in seconds, or -1 to wait for the signal.

    `far`: the route ends on the far pavement.
    """

    goals: list[tuple[float, float, float]]
    far: bool
    waited_s: float = 0.0


class Crowd:
    """`positions` `[P, 2]`, `velocities` `[P, 2]` m/s, `headings` and `phases` (of the gait) `[P]` in radians.

    The way ends beside the picture, which shows `half_width_per_m` to each side a metre of distance; with
    `half_length_m` at both ends of a street that is longer than the picture is wide, where people turn back.
    """

    def __init__(
        self,
        people: int,
        layout: Layout,
        half_width_per_m: float,
        leg_m: Float64s,
        rng: np.random.Generator,
        half_length_m: float | None = None,
    ):
        self._rng = rng
        self._layout = layout
        self._half_width_per_m = half_width_per_m
        self._half_length_m = half_length_m
        self._leg_m = leg_m
        self.time_s = 0.0
        self.speeds = np.clip(rng.normal(1.28, 0.17, people), 0.85, 1.75)
        self.positions = np.zeros((people, 2))
        self.velocities = np.zeros((people, 2))
        self.headings = np.zeros(people)
        self.phases = rng.uniform(0, 2 * np.pi, people)
        self._leaders = np.full(people, -1)
        for follower in range(1, people):
            if rng.random() < SHARE_PAIRED and self._leaders[follower - 1] < 0:
                self._leaders[follower] = follower - 1
                self.speeds[follower] = self.speeds[follower - 1]
        self._sides = np.where(rng.random(people) < 0.5, -1.0, 1.0)
        begins_far = rng.random(people) < SHARE_FAR
        self._routes = [self._route(bool(far)) for far in begins_far]
        for i, far in enumerate(begins_far):
            y = rng.uniform(*(PAVEMENT_Y if far else SQUARE_Y))
            self._put(i, rng.uniform(-0.9, 0.9) * self._edge(y), y)
        self._stand_beside_leaders(np.flatnonzero(self._leaders >= 0))

    def make_wait(self, people: int, rng: np.random.Generator) -> None:
        """Let the first `people` stand on the square for ever, in places drawn from `rng`, alone."""
        placed = np.empty((0, 2))
        while len(placed) < people:
            y = rng.uniform(*SQUARE_Y)
            place = np.array([rng.uniform(-0.7, 0.7) * self._edge(y), y])
            gaps = np.hypot(*(np.concatenate([placed, self._layout.obstacles[:, :2]]) - place).T)
            # A long queue has no room for such gaps.
            if gaps.min(initial=math.inf) >= WAITING_GAP_M * min(1.0, 20 / people):
                placed = np.concatenate([placed, place[None]])
        self._leaders[:people] = -1
        self._leaders[self._leaders < people] = -1
        self._routes[:people] = [Route([(x, y, math.inf)], False) for x, y in placed.tolist()]
        self.positions[:people], self.velocities[:people] = placed, 0.0

    def _edge(self, y: float) -> float:
        return self._half_width_per_m * y if self._half_length_m is None else self._half_length_m

    def _put(self, i: int, x: float, y: float) -> None:
        self.positions[i] = x, y
        goal = np.array(self._routes[i].goals[0][:2]) - (x, y)
        self.headings[i] = np.arctan2(goal[1], goal[0])
        self.velocities[i] = self.speeds[i] * goal / max(1e-6, float(np.hypot(*goal)))

    def _stand_beside_leaders(self, followers: npt.NDArray[np.intp]) -> None:
        leaders = self._leaders[followers]
        self.positions[followers] = self.positions[leaders] + self._beside(followers)
        self.velocities[followers] = self.velocities[leaders]
        self.headings[followers] = self.headings[leaders]

    def _beside(self, followers: npt.NDArray[np.intp]) -> Float64s:
        headings = self.headings[self._leaders[followers]]
        return 0.72 * self._sides[followers, None] * np.stack([-np.sin(headings), np.cos(headings)], 1)

    def _route(self, far: bool) -> Route:
        """Goals from one side of the picture to an exit, which lies out of view."""
        rng = self._rng
        goals: list[tuple[float, float, float]] = []
        if rng.random() < SHARE_PAUSE:
            y = float(rng.uniform(*(PAVEMENT_Y if far else SQUARE_Y)))
            goals.append((float(rng.uniform(-0.7, 0.7) * self._edge(y)), y, float(rng.uniform(2, 7))))
        if rng.random() < SHARE_CROSSING:
            x = self._layout.crossing_x + rng.uniform(-0.8, 0.8) * CROSSING_HALF_WIDTH
            here, there = NEAR_KERB_Y - 0.8, FAR_KERB_Y + 0.7
            if far:
                here, there = there, here
            goals += [(x, here, -1.0), (x + rng.uniform(-0.5, 0.5), there, 0.0)]
            far = not far
        y = float(rng.uniform(*(PAVEMENT_Y if far else SQUARE_Y)))
        exit_x = (self._edge(y) + 0.8) * (1 if rng.random() < 0.5 else -1)
        goals.append((float(exit_x), y, float(rng.uniform(0.2, 2.5))))
        return Route(goals, far)

    def step(self) -> None:
        """Advance by `STEP_S`."""
        self.time_s += STEP_S
        wanted = self._wanted()
        pushes = self._pushes()
        self.velocities += (wanted - self.velocities) * (STEP_S / 0.45) + pushes * STEP_S
        speeds = np.hypot(*self.velocities.T)
        limit = 1.5 * self.speeds
        self.velocities *= np.minimum(1, limit / np.maximum(speeds, 1e-9))[:, None]
        self.positions += self.velocities * STEP_S
        self._turn(np.minimum(speeds, limit))

    def _turn(self, speeds: Float64s) -> None:
        course = np.arctan2(self.velocities[:, 1], self.velocities[:, 0])
        difference = (course - self.headings + np.pi) % (2 * np.pi) - np.pi
        self.headings += difference * np.clip(speeds / 0.6 - 0.25, 0, 1) * (STEP_S / 0.25)
        # Two steps a turn of the phase; a step is about .82 of the leg at an ordinary pace (see figure.swing).
        self.phases += np.pi * speeds / step_length_m(self._leg_m, speeds) * STEP_S

    def _wanted(self) -> Float64s:
        wanted = np.zeros_like(self.velocities)
        for i, route in enumerate(self._routes):
            if self._leaders[i] < 0:
                wanted[i] = self._toward_goal(i, route)
        followers = np.flatnonzero(self._leaders >= 0)
        leaders = self._leaders[followers]
        gap = self.positions[leaders] + self._beside(followers) - self.positions[followers]
        wanted[followers] = self.velocities[leaders] + 0.8 * gap
        return wanted

    def _toward_goal(self, i: int, route: Route) -> Float64s | float:
        x, y, wait_s = route.goals[0]
        gap = np.array([x, y]) - self.positions[i]
        distance = float(np.hypot(*gap))
        # Where a goal is taken, near is near enough; who has begun to wait is not driven off by a push.
        slow = float(np.hypot(*self.velocities[i])) < 0.4
        if distance > (1.5 if slow or route.waited_s else 0.35):
            if self._half_length_m is not None:  # who looks further ahead is pushed off the pavement on the way
                gap[0] = np.clip(gap[0], -AHEAD_M, AHEAD_M)
            return gap / float(np.hypot(*gap)) * self.speeds[i]
        route.waited_s += STEP_S
        closed = wait_s < 0 and self.time_s % SIGNAL_PERIOD_S > WALK_S
        if closed or route.waited_s < wait_s:
            return 0.0
        route.waited_s = 0.0
        route.goals.pop(0)
        if not route.goals:
            self._come_back(i, route.far)
        return 0.0

    def _come_back(self, i: int, far: bool) -> None:
        """Enter again, out of view: on the same side of the picture, or around the block."""
        self._routes[i] = self._route(far)
        y = float(self._rng.uniform(*(PAVEMENT_Y if far else SQUARE_Y)))
        x = (self._edge(y) + 0.7) * (1 if self._rng.random() < 0.5 else -1)
        if self._half_length_m is not None:  # there is no way around so many blocks
            x = float(np.copysign(x, self.positions[i, 0]))
        exit_x, exit_y, wait_s = self._routes[i].goals[-1]
        if exit_x * x > 0 and len(self._routes[i].goals) == 1:
            self._routes[i].goals[-1] = (-exit_x, exit_y, wait_s)
        self._put(i, x, y)
        self._stand_beside_leaders(np.flatnonzero(self._leaders == i))

    def _pushes(self) -> Float64s:
        """Accelerations away from people nearer than about a metre, and from obstacles."""
        gaps = self.positions[:, None] - self.positions[None]
        distances = np.hypot(gaps[..., 0], gaps[..., 1]) + 1e-6
        strength = 6.0 * np.exp((0.55 - distances) / 0.25)
        np.fill_diagonal(strength, 0)
        # A step aside is easier than a stop: part of every push turns to the right of the walking direction.
        pushes = (gaps / distances[..., None] * strength[..., None]).sum(1)
        aside = np.stack([self.velocities[:, 1], -self.velocities[:, 0]], 1)
        pushes += 0.4 * aside * np.minimum(1, strength.sum(1))[:, None]
        if len(self._layout.obstacles):
            gaps = self.positions[:, None] - self._layout.obstacles[None, :, :2]
            distances = np.hypot(gaps[..., 0], gaps[..., 1]) + 1e-6
            strength = 7.0 * np.exp((self._layout.obstacles[:, 2] + 0.35 - distances) / 0.25)
            away = gaps / distances[..., None]
            if self._half_length_m is not None:  # where ways are long and straight, around and not only back
                away = (away + np.stack([-away[..., 1], away[..., 0]], -1)) * np.sqrt(0.5)
            pushes += (away * np.minimum(strength, 12)[..., None]).sum(1)
        return np.clip(pushes + self._kept_off_the_road(), -9, 9)

    def _kept_off_the_road(self) -> Float64s:
        """Back to the crossing for who strays on the road, back to the pavement for who steps off a kerb elsewhere."""
        x, y = self.positions.T
        beside = x - self._layout.crossing_x
        strays = (np.abs(beside) > CROSSING_HALF_WIDTH + 0.3) & (y > NEAR_KERB_Y - 0.3) & (y < FAR_KERB_Y + 0.3)
        inside = (y > NEAR_KERB_Y + 0.8) & (y < FAR_KERB_Y - 0.8)
        side = np.where(y < (NEAR_KERB_Y + FAR_KERB_Y) / 2, -1.0, 1.0)
        return np.stack([-6 * np.sign(beside) * (strays & inside), 6 * side * (strays & ~inside)], 1)


def step_length_m(leg_m: Float64s, speeds: Float64s) -> Float64s:
    """Length of one step at a speed in m/s: longer legs and faster walking lengthen it."""
    return leg_m * np.clip(0.42 + 0.3 * speeds, 0.3, 1.05)
