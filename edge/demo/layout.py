"""The plan of the street: a square in front, a road with a crossing, a pavement and a row of houses behind it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

# Distances from the camera, metres.
SQUARE_Y = (6.9, 15.0)  # where people walk on the near side
NEAR_KERB_Y = 16.4
ROAD_Y = (16.7, 22.7)
LANES_Y = (18.2, 21.2)
FAR_KERB_Y = 23.0
PAVEMENT_Y = (23.7, 26.4)  # where people walk on the far side
HOUSES_Y = 28.6
TREE_Y = 15.9

CROSSING_HALF_WIDTH = 1.7
SIGNAL_PERIOD_S = 26.0
WALK_S = 6.0  # people may step off the kerb for so long; whoever did is across when the cars get green
STOP_S = 14.0  # cars wait for so long


@dataclass(frozen=True)
class Layout:
    """What differs between streets. `obstacles` `[N, 3]`: x, y and radius of what people walk around."""

    crossing_x: float
    tree_xs: tuple[float, ...]
    lamp_xs: tuple[float, ...]
    props: tuple[tuple[str, float, float], ...]  # kind, x, y
    obstacles: Float64s


def plan(rng: np.random.Generator) -> Layout:
    """A street drawn from `rng`."""
    crossing_x = float(rng.uniform(-3.5, 3.5))
    trees = [x + rng.uniform(-0.8, 0.8) for x in np.arange(-10.5, 11, 5.2)]
    trees = [float(x) for x in trees if abs(x - crossing_x) > 3 and rng.random() < 0.8]
    lamps = [float(x) for x in (-8.0 + rng.uniform(-1, 1), 7.5 + rng.uniform(-1, 1)) if abs(x - crossing_x) > 2.2]
    sides = rng.permutation([-1.0, 1.0])
    props = (
        ("column", float(sides[0] * rng.uniform(4.2, 6.2)), float(rng.uniform(13.2, 14.4))),
        ("bench", float(sides[1] * rng.uniform(3.0, 6.5)), float(rng.uniform(14.4, 15.2))),
        ("planter", float(sides[1] * rng.uniform(2.6, 4.2)), float(rng.uniform(10.0, 11.5))),
        ("bin", float(sides[0] * rng.uniform(2.0, 3.6)), float(rng.uniform(15.0, 15.6))),
    )
    radii = {"column": 0.8, "bench": 0.9, "planter": 0.9, "bin": 0.4}
    obstacles = [(x, y, radii[kind]) for kind, x, y in props] + [(x, TREE_Y, 0.3) for x in (*trees, *lamps)]
    return Layout(crossing_x, tuple(trees), tuple(lamps), props, np.array(obstacles))
