"""A site with many cameras and nobody in it: people are numbers that walk, and embeddings drawn around a point.

For tests and measurements of a fleet at any size. Whoever walks has an appearance, a random unit vector; each camera
sees it with noise. Cameras stand along a ring, and people walk from one to the next, some turn back, some leave.
"""

import base64
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.fleet.fleet import stamp

NETWORK = "ab" * 32
_VISITS = 1000  # nobody comes by so many cameras


class Said(NamedTuple):
    """A board's message at `time_s`, seconds since 1970, on `topic`, about `person`."""

    time_s: float
    topic: str
    payload: bytes
    person: int


@dataclass(frozen=True)
class Walkers:
    """`boards` with `cameras` each and `people_per_s` that come; the same `seed` gives the same.

    An embedding has `size` numbers; two sightings of one person have a cosine of about 1 / (1 + noise^2).
    """

    boards: int
    cameras: int
    people_per_s: float
    seed: int = 0
    prefix: str = "site"
    size: int = 128
    noise: float = 0.6
    stay_s: tuple[float, float] = (6.0, 20.0)
    gap_s: tuple[float, float] = (10.0, 30.0)
    visits: float = 4.0
    network: str = NETWORK

    def messages(self, begin_s: float, end_s: float) -> Iterator[Said]:
        """What all boards say of those who come between two times, in order."""
        rng = np.random.default_rng(self.seed)
        waiting: list[tuple[float, int, Said]] = []
        count = person = 0
        time_s = begin_s
        while time_s < end_s or waiting:
            time_s += float(rng.exponential(1 / self.people_per_s))
            while waiting and (waiting[0][0] <= time_s or time_s >= end_s):
                yield heapq.heappop(waiting)[2]
            if time_s < end_s:
                person += 1
                for said in self._walk(rng, person, time_s):
                    count += 1
                    heapq.heappush(waiting, (said.time_s, count, said))

    @staticmethod
    def visit_of(id_: int) -> tuple[int, int]:
        """The person whom a board's identity shows, and which of the person's visits that is."""
        return divmod(id_, _VISITS)

    def _walk(self, rng: np.random.Generator, person: int, time_s: float) -> Iterator[Said]:
        """One person's way through the site."""
        look = rng.standard_normal(self.size) / np.sqrt(self.size)
        camera, step = int(rng.integers(self.boards * self.cameras)), int(rng.choice((-1, 1)))
        for visit in range(1 + int(rng.poisson(self.visits - 1))):
            last_s = time_s + float(rng.uniform(*self.stay_s))
            for stage, said_s, seen_s in (("known", time_s + 2.5, time_s + 2.5), ("end", last_s + 1.5, last_s)):
                vector = look + self.noise * rng.standard_normal(self.size) / np.sqrt(self.size)
                yield self._said(person, visit, camera, stage, time_s, seen_s, said_s, vector)
            time_s = last_s + float(rng.uniform(*self.gap_s))
            step = -step if rng.random() < 0.15 else step
            camera = (camera + step) % (self.boards * self.cameras)

    def _said(
        self,
        person: int,
        visit: int,
        camera: int,
        stage: str,
        first_s: float,
        last_s: float,
        said_s: float,
        vector: np.ndarray,
    ) -> Said:
        board, name = f"board{camera // self.cameras}", f"cam{camera % self.cameras}"
        unit = (vector / np.linalg.norm(vector)).astype("<f2")
        id_ = _VISITS * person + visit
        fields = {
            "v": 1,
            "run": "5a1e",
            "camera": name,
            "event": "appearance",
            "event_id": f"5a1e-{id_}-0-{stage}",
            "stage": stage,
            "id": id_,
            "stay": 0,
            "t_utc": stamp(said_s),
            "first_utc": stamp(first_s),
            "last_utc": stamp(last_s),
            "cls": "person",
            "xyxy": [10.0, 20.0, 50.0, 120.0],
            "size": [640, 360],
            "entry": "left",
            "exit": "right",
            "quality": 0.8,
            "samples": 4,
            "network": self.network,
            "embedding": base64.b64encode(unit.tobytes()).decode(),
        }
        return Said(said_s, f"{self.prefix}/{board}/{name}/appearance", json.dumps(fields).encode(), person)
