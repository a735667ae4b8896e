"""What tells people apart: body, skin, hair, clothes, shoes and bags, drawn from a seeded generator."""

from dataclasses import dataclass

import numpy as np

from edge.demo.pen import Colour, rgb, tone

SKINS = [rgb(c) for c in ("f2d3bc", "eac0a2", "d9a37e", "c18a63", "9a6642", "7a4d31", "5b3824")]
HAIRS = [rgb(c) for c in ("241a17", "3a2a20", "5a3d28", "7d5633", "a87f4b", "d3b577", "b9b4ae", "8c3f22", "e4e0da")]
TOPS = [
    rgb(c)
    for c in (
        *("d8433b", "f08a3c", "f2c14e", "5fae57", "2f8f83", "3d7dc4", "26436f", "7d4fa3", "c9578c", "efe9df"),
        *("b9b6b0", "6d6f73", "2d2f33", "8a5a3b", "a7c4dd", "b5d3a0", "f0b8b0", "7a1f2b", "3f5a3a", "d6b98c"),
    )
]
BOTTOMS = [
    rgb(c)
    for c in (
        *("2b3a55", "3f5d8a", "6f8fb8", "25262a", "55585e", "8b8d90", "cbb892", "6b5238", "3d4a35", "7c2c34"),
        *("e6e1d6", "4a3b5c"),
    )
]
SHOES = [rgb(c) for c in ("f3f1ec", "26262a", "6b4428", "b23a34", "3a5f94", "8f8f92")]
BAGS = [rgb(c) for c in ("2a2c31", "8a5a33", "c23b3b", "2f6f8f", "d9b44a", "4a6b3f", "d8cfc0", "7b4a86")]


@dataclass(frozen=True)
class Look:
    """One person's appearance. Lengths in metres; `build` scales breadth.

    `hair`: short, long, bun, bald, cap or beanie. `top`: shirt (bare forearms), sleeves, jacket (open) or coat (long).
    `bottom`: trousers, shorts or skirt. `pattern` of the top: plain, stripes or block. `bag`: none, backpack, shoulder
    or tote.
    """

    height_m: float
    build: float
    skin: Colour
    hair: str
    hair_colour: Colour
    top: str
    top_colour: Colour
    second_colour: Colour
    pattern: str
    bottom: str
    bottom_colour: Colour
    shoe_colour: Colour
    bag: str
    bag_colour: Colour


def dress(rng: np.random.Generator) -> Look:
    """A person, drawn from `rng`."""

    def pick(colours: list[Colour]) -> Colour:
        return tone(colours[rng.integers(len(colours))], rng.uniform(0.85, 1.12))

    child = rng.random() < 0.06
    height = rng.uniform(1.22, 1.45) if child else float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.95))
    return Look(
        height_m=height,
        build=float(np.clip(rng.normal(1.0, 0.12), 0.8, 1.35)),
        skin=pick(SKINS),
        hair=str(rng.choice(["short", "long", "bun", "bald", "cap", "beanie"], p=[0.36, 0.28, 0.08, 0.07, 0.12, 0.09])),
        hair_colour=pick(HAIRS),
        top=str(rng.choice(["shirt", "sleeves", "jacket", "coat"], p=[0.3, 0.3, 0.25, 0.15])),
        top_colour=pick(TOPS),
        second_colour=pick(TOPS),
        pattern=str(rng.choice(["plain", "stripes", "block"], p=[0.55, 0.25, 0.2])),
        bottom=str(rng.choice(["trousers", "shorts", "skirt"], p=[0.66, 0.14, 0.2])),
        bottom_colour=pick(BOTTOMS),
        shoe_colour=pick(SHOES),
        bag=str(rng.choice(["none", "backpack", "shoulder", "tote"], p=[0.45, 0.25, 0.18, 0.12])),
        bag_colour=pick(BAGS),
    )
