"""Which tracklets are one person's: a link from each to the one before it, all of a window decided together.

Each newcomer either follows somebody's newest tracklet or is somebody new. How much a link gains is the logarithm of
how much likelier the newcomer is that person than somebody new: by appearance (`appearance`, `likeness`), by where and
when the person was last (`transit`), and by how often somebody new comes into this camera. The links are chosen by an
exact assignment, so that nobody is followed by two.

An identity is given with a tracklet's first message, so that it is there at once. `window_s` later, with all that came
since, it is decided a second time and then stays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.fleet.appearance import centred, unit
from edge.fleet.assignment import assign
from edge.fleet.likeness import Likeness
from edge.fleet.tracklets import Records, Tracklets
from edge.fleet.transit import Transits
from edge.types import Float32s, Int64s

Float64s = npt.NDArray[np.float64]

MEMORY = 8  # tracklets of a person are remembered, the newest
# Before anybody was seen somebody new came into each camera once in so many seconds.
PRIOR_S = 60.0
# Who is seen first so soon after the very first was there before: to count them would make everybody after them new.
ALREADY_S = 60.0


class Decision(NamedTuple):
    """Tracklet `number` is `person`'s; `before` is whose it was said to be, 0 for nobody's, `is_settled`: for good."""

    number: int
    person: int
    before: int
    is_settled: bool


@dataclass(slots=True)
class Newcomers:
    """How often somebody new comes into a camera: counts since the first tracklet at `since_s`."""

    counts: dict[int, int]
    since_s: float | None = None

    def note(self, camera: int, at_s: float) -> None:
        """Somebody new was first seen by `camera` at `at_s`."""
        if self.since_s is not None and at_s - self.since_s >= ALREADY_S:
            self.counts[camera] = self.counts.get(camera, 0) + 1

    def log_rates(self, cameras: Int64s, now_s: float) -> Float64s:
        """Natural logarithm of newcomers a second, for each of `cameras` `[K]`."""
        seconds = 0.0 if self.since_s is None else max(0.0, now_s - self.since_s)
        counts = np.array([self.counts.get(camera, 0) for camera in cameras.tolist()], np.float64)
        return np.asarray(np.log((counts + 1) / (seconds + PRIOR_S)), np.float64)


class Links(NamedTuple):
    """K possible links: tracklet `newcomers[k]` follows `heads[k]` (rows), with this cosine and this gain."""

    newcomers: Int64s
    heads: Int64s
    cosines: Float64s
    gains: Float64s


class Association:
    """The tracklets that one network can compare. `cameras` is how many the fleet has; others may be added."""

    def __init__(self, size: int, transits: Transits, window_s: float, absence_s: float):
        self.tracklets = Tracklets(size)
        self.likeness = Likeness()
        self.transits = transits
        self.newcomers = Newcomers({})
        self.cameras = 1
        self._known: Float32s | None = None  # the appearances, until a tracklet changes
        self._window_s, self._absence_s = window_s, absence_s

    def see(
        self, number: int, camera: int, first: float, last: float, vector: Float32s | None, *, is_over: bool
    ) -> None:
        """A message about tracklet `number`, which is new where its number is above all before."""
        self._known = None
        row = self.tracklets.row_of(number)
        if row is None:
            row = self.tracklets.add(number, camera, first, last)
            self.cameras = max(self.cameras, camera + 1)
            if self.newcomers.since_s is None:
                self.newcomers.since_s = first
        record = self.tracklets.rows[row]
        record["last"] = max(record["last"], last)
        record["is_over"] |= is_over
        if vector is not None:
            self.tracklets.learn(row, vector)

    def decide(self, now_s: float, next_person: int) -> list[Decision]:
        """The identities of tracklets that have none yet, or whose window is over. Numbers from `next_person` are free.

        Nothing is compared while nobody waits.
        """
        rows = self.tracklets.rows
        fresh = rows["person"] == 0
        due = ~rows["is_settled"] & ~fresh & (rows["told"] <= now_s - self._window_s)
        if not (fresh | due).any():
            return []
        self._learn_different(np.flatnonzero(fresh))
        open_ = np.flatnonzero(~rows["is_settled"])
        open_ = open_[np.argsort(rows["first"][open_], kind="stable")]
        links = self.links(open_, now_s)
        before = best_links(links, open_, len(rows))
        decisions = []
        for row, head in zip(open_.tolist(), before.tolist(), strict=True):
            if not (fresh[row] or due[row]):
                continue
            old = int(rows[row]["person"])
            if head >= 0:
                person = int(rows[head]["person"])
            elif old and self._is_first(row):
                person = old  # somebody new then, and still
            else:
                person, next_person = next_person, next_person + 1
            rows[row]["person"], rows[row]["is_settled"] = person, bool(due[row])
            if fresh[row]:
                rows[row]["told"] = now_s
            else:
                self._learn_link(row, head, links)
            decisions.append(Decision(int(self.tracklets.numbers[row]), person, old, bool(due[row])))
        return decisions

    def links(self, newcomers: Int64s, now_s: float) -> Links:
        """Every tracklet that each of `newcomers` (rows `[U]`) may come from."""
        rows = self.tracklets.rows
        heads = heads_of(rows, now_s, self._absence_s)
        u, h = (grid.ravel() for grid in np.meshgrid(newcomers, heads, indexing="ij"))
        earlier = rows["first"][h] < rows["first"][u]
        u, h = u[earlier], h[earlier]
        starts, ends = rows["camera"][h].astype(np.int64), rows["camera"][u].astype(np.int64)
        gaps_s = rows["first"][u] - rows["last"][h]
        possible = self.transits.is_possible(starts, ends, gaps_s, rows["is_over"][h])
        u, h, starts, ends = (array[possible] for array in (u, h, starts, ends))
        gaps_s = gaps_s[possible]
        cosines = self.cosines(u, h)
        gains = self.likeness.evidence(cosines)
        gains += self.transits.log_density(starts, ends, gaps_s, self.cameras)
        gains -= self.newcomers.log_rates(ends, now_s)
        return Links(u, h, cosines, gains)

    def cosines(self, u: Int64s, h: Int64s) -> Float64s:
        """How alike tracklet `u[k]` and the person of tracklet `h[k]` as known by then are, float64 `[K]`."""
        rows, means = self.tracklets.rows, self._appearances()
        order = np.lexsort((rows["first"], rows["person"]))
        place = np.empty(len(rows), np.int64)
        place[order] = np.arange(len(rows))
        heads, back = np.unique(h, return_inverse=True)
        memories = np.zeros((len(heads), means.shape[1]), np.float32)
        for k, head in enumerate(heads.tolist()):
            end = int(place[head]) + 1
            same = order[max(0, end - MEMORY) : end]
            same = same[rows["person"][same] == rows["person"][head]] if rows["person"][head] else order[end - 1 : end]
            memories[k] = means[same].sum(0)
        memories = unit(memories)
        return np.asarray(np.einsum("ke,ke->k", means[u], memories[back]), np.float64)

    def learn_way(self, start: int | None, end: int, gap_s: float | None, at_s: float) -> None:
        """Somebody came to camera `end` at `at_s`, `gap_s` after leaving `start`; both None for somebody new."""
        if self.newcomers.since_s is None:
            self.newcomers.since_s = at_s
        if start is None or gap_s is None:
            self.newcomers.note(end, at_s)
        else:
            self.transits.learn(start, end, gap_s)

    def is_due(self, now_s: float) -> bool:
        """Whether somebody waits for an identity, or for its second decision."""
        rows = self.tracklets.rows
        return bool((~rows["is_settled"] & (rows["told"] <= now_s - self._window_s)).any())

    def restore(self, number: int, record: Records, vectors: Float32s) -> None:
        """A tracklet as it was, TRACKLET record and embeddings `[n, E]`, with a number above all before."""
        self._known = None
        row = self.tracklets.add(number, int(record["camera"]), float(record["first"]), float(record["last"]))
        for vector in vectors:
            self.tracklets.learn(row, vector)
        for name in ("told", "person", "is_over", "is_settled"):
            self.tracklets.rows[row][name] = record[name]

    def relearn(self) -> None:
        """Learn anew how alike people are, from the tracklets that were restored."""
        rows = self.tracklets.rows
        self._learn_different(np.flatnonzero(rows["person"]))
        settled = np.flatnonzero(rows["is_settled"])
        settled = settled[np.lexsort((rows["first"][settled], rows["person"][settled]))]
        follows = rows["person"][settled[1:]] == rows["person"][settled[:-1]]
        self.likeness.note(self.cosines(settled[1:][follows], settled[:-1][follows]), same=True)

    def forget(self, now_s: float, keep_s: float) -> None:
        """Forget who was nowhere for too long, or for `keep_s`; who never ended has ended by then."""
        self._known = None
        rows = self.tracklets.rows
        limit_s = now_s - min(keep_s, self._absence_s)
        rows["is_over"] |= np.maximum(rows["last"], rows["told"]) < now_s - self._absence_s
        self.tracklets.keep(~rows["is_settled"] | ~rows["is_over"] | (rows["last"] > limit_s))

    def _is_first(self, row: int) -> bool:
        """Whether nobody else has the identity of this tracklet, or only later ones."""
        rows = self.tracklets.rows
        same = rows["person"] == rows[row]["person"]
        return bool(rows["first"][same].min() >= rows[row]["first"])

    def _appearances(self) -> Float32s:
        """The appearance of each tracklet, float32 `[T, E]`."""
        if self._known is None:
            self._known = centred(self.tracklets.vectors.sum(1), self.tracklets.rows["camera"])
        return self._known

    def _learn_different(self, fresh: Int64s) -> None:
        """Whoever is seen at the same time elsewhere is somebody else."""
        rows, means = self.tracklets.rows, self._appearances()
        for row in fresh.tolist():
            record = rows[row]
            apart = (rows["first"] <= record["last"]) & (~rows["is_over"] | (rows["last"] >= record["first"]))
            apart[row] = False
            others = [
                other
                for other in np.flatnonzero(apart).tolist()
                if not self.transits.may_be_in_both(int(record["camera"]), int(rows[other]["camera"]))
            ]
            self.likeness.note(means[others] @ means[row], same=False)

    def _learn_link(self, row: int, head: int, links: Links) -> None:
        """Learn from a tracklet whose identity is settled; each link that it may have had as much as it is likely."""
        record = self.tracklets.rows[row]
        mine = np.flatnonzero(links.newcomers == row)
        self.likeness.note(links.cosines[mine], same=True, weights=shares(links.gains[mine]))
        camera, first_s = int(record["camera"]), float(record["first"])
        if head < 0:
            self.learn_way(None, camera, None, first_s)
            return
        before = self.tracklets.rows[head]
        self.learn_way(int(before["camera"]), camera, first_s - float(before["last"]), first_s)


def heads_of(rows: Records, now_s: float, absence_s: float) -> Int64s:
    """The rows that somebody may follow: those not settled, and of each settled person the newest within reach."""
    recent = ~rows["is_over"] | (rows["last"] > now_s - absence_s)
    settled = np.flatnonzero(rows["is_settled"] & recent)
    settled = settled[np.lexsort((rows["last"][settled], rows["person"][settled]))]
    people = rows["person"][settled]
    newest = settled[np.append(people[1:] != people[:-1], True)] if len(settled) else settled
    return np.sort(np.concatenate([newest, np.flatnonzero(~rows["is_settled"])])).astype(np.int64)


def best_links(links: Links, newcomers: Int64s, count: int) -> Int64s:
    """The row before each of `newcomers` (rows `[U]` of `count`), -1 for somebody new: int64 `[U]`."""
    heads, columns = np.unique(links.heads, return_inverse=True)
    place = np.zeros(count, np.int64)
    place[newcomers] = np.arange(len(newcomers))
    found = assign(place[links.newcomers], columns.astype(np.int64), links.gains, len(newcomers), len(heads))
    return np.where(found >= 0, heads[found] if len(heads) else -1, -1)


def shares(gains: Float64s) -> Float64s:
    """The probability of each of the links that one newcomer may have, by their gains; the rest is somebody new's."""
    likelihoods = np.exp(np.minimum(gains, 50.0))
    return np.asarray(likelihoods / (1 + likelihoods.sum()), np.float64)
