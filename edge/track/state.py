"""What a tracker remembers: the track table, its settings and counters, and the working space of one frame.

Everything is a struct of arrays that grows by doubling; after that a frame allocates nothing but its result.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np

from edge.kernels.jit import buffer, given
from edge.track.matching.assignment import NODE
from edge.track.matching.boxes import DIGITS, MOST_PAIRS, PAIR, SPAN, Records
from edge.track.matching.depth import CLUSTER

TRACKED, LOST, REMOVED = 0, 1, 2
NOWHERE, LOW, HIGH = 0, 1, 2
CLASSES = 256  # classes from here on can't be grouped

# A track. Times (`start`: birth, `last`: newest detection) are in frames on the tracker's clock. `confirmed` tracks are
# shown. `expired` marks a track that the published code has struck off but not yet taken out of its lists. `class` is
# that of the birth detection or, where `voting`, that of most of the score, and `votes` how much more score it has than
# all others; `score` and `detection` (its row in this frame, -1 for none) are those of the newest one.
# `similarity_row` is the row the track had before this frame removed any: its row in the similarity.
TRACK = np.dtype(
    [
        ("id", "i8"),
        ("status", "i4"),
        ("class", "i4"),
        ("detection", "i4"),
        ("similarity_row", "i4"),
        ("confirmed", "?"),
        ("expired", "?"),
        ("score", "f8"),
        ("votes", "f8"),
        ("start", "f8"),
        ("last", "f8"),
        ("position", "f8", (4,)),
        ("velocity", "f8", (4,)),
        ("var_position", "f8", (4,)),
        ("covariance", "f8", (4,)),
        ("var_velocity", "f8", (4,)),
        ("box", "f8", (4,)),
    ],
    align=True,
)

# A detection of this frame: its score pool and the row of the track that took it (-1: none). Three marks of the
# published NanoTrack: `promoted` from the low to the high pool, `recycled`: a low one that may start a track, `covered`
# by a track, so that it starts none. `overlap` is the largest IoU with tracks that have another detection (NanoTrack).
DETECTION = np.dtype(
    [
        ("box", "f8", (4,)),
        ("score", "f8"),
        ("class", "i4"),
        ("pool", "i4"),
        ("track", "i4"),
        ("promoted", "?"),
        ("recycled", "?"),
        ("covered", "?"),
        ("overlap", "f8"),
    ],
    align=True,
)

# Settings and counters common to all methods; a method's parameters are added as float64 fields of their own names.
# `reference`: reproduce the published code. `margin`: see boxes.py. `high`, `low`: the scores that bound the pools.
# `lost_frames`: how long a lost track is kept. `frame_rate`: frames a second. `voting`: a track's class follows its
# detections. `apart`: only what is of one group of classes is matched; `groups` has the group of each class. `digits`:
# working space of sorting.
_COMMON: list[Any] = [
    ("reference", "?"),
    ("voting", "?"),
    ("apart", "?"),
    ("groups", "i4", (CLASSES,)),
    ("margin", "f8"),
    ("high", "f8"),
    ("low", "f8"),
    ("lost_frames", "f8"),
    ("frame_rate", "f8"),
    ("now", "f8"),
    ("calls", "i8"),
    ("tracks", "i8"),
    ("next_id", "i8"),
    ("ignored", "i8"),
    ("digits", "i8", (DIGITS,)),
]


def run_dtype(method: str, parameters: type, more: Sequence[Any] = ()) -> np.dtype[np.void]:
    """Dtype of a tracker's one record of settings and counters, for a dataclass of numbers; `more` are other fields."""
    fields = [(field.name, "f8") for field in dataclasses.fields(parameters)]
    return _own_dtype(method, [*_COMMON, *fields, *more])


def track_dtype(method: str, fields: Sequence[Any]) -> np.dtype[np.void]:
    """Dtype of the tracks of a method whose tracks are not TRACK."""
    return _own_dtype(method, fields)


def _own_dtype(method: str, fields: Sequence[Any]) -> np.dtype[np.void]:
    # Numba takes a record for another one with which it begins. The mark in front lets none begin like another's.
    return np.dtype([(f"of {method}", "?"), *fields], align=True)


class Work(NamedTuple):
    """The arrays a step works on, and the number of detections."""

    run: Records  # RUN, one record
    table: Records  # TRACK, of which run["tracks"] are in use
    detections: Records  # DETECTION
    spans: Records  # SPAN, in three rows: two sides of a join and its scratch
    previous: Records  # SPAN: what a method keeps of the boxes for the next frame
    pairs: Records  # PAIR, two rows
    nodes: Records  # NODE, two rows: tracks and detections
    clusters: Records  # CLUSTER
    n: int


PREVIOUS = 3  # a row of the spans that State keeps, behind the three to work with


def argument_types(run: np.dtype[np.void], track: np.dtype[np.void], similarity: Any, inputs: Any) -> tuple[Any, ...]:
    """Argument types of `edge.track.method.frame`, in its order; `similarity` and `inputs` are those of a method."""
    work = buffer(run), buffer(track), buffer(DETECTION)
    space = buffer(SPAN, 2), buffer(PAIR, 2), buffer(NODE, 2), buffer(CLUSTER)
    detections = given("f4", 2), given("f4"), given("i4")
    result = buffer("i8"), buffer("f4", 2), buffer("f4"), buffer("i4"), buffer("i4")
    return *work, *space, *detections, similarity, inputs, *result, numba.float64


class State:
    """Owns the arrays of one tracker and lets them grow: `arrays` are the first arguments of a frame."""

    def __init__(self, run: Records, track: np.dtype[np.void] = TRACK) -> None:
        self.capacity = 0  # tracks and detections that fit, less one
        self.room_for_pairs = 256
        self.arrays = (
            run,
            np.zeros(0, track),
            np.zeros(0, DETECTION),
            np.zeros((PREVIOUS + 1, 0), SPAN),
            np.zeros((2, 256), PAIR),
            np.zeros((2, 0), NODE),
            np.zeros(0, CLUSTER),
        )
        self.reserve(64)

    @property
    def table(self) -> Records:
        """The TRACK records, those in use first."""
        return self.arrays[1]

    @property
    def detections(self) -> Records:
        """The DETECTION records of the last frame."""
        return self.arrays[2]

    def reserve(self, rows: int) -> None:
        """Make room for fewer than `rows` tracks and detections."""
        if rows <= self.capacity:
            return
        self.capacity = max(2 * self.capacity, rows)
        run, table, _, spans, pairs, _, _ = self.arrays
        longer = np.zeros(self.capacity, table.dtype)
        longer[: len(table)] = table
        # A detection may be remembered as a low and as a high one, and what is remembered is sorted with a scratch.
        more = np.zeros((PREVIOUS + 1, 2 * self.capacity), SPAN)
        more[PREVIOUS, : spans.shape[1]] = spans[PREVIOUS]
        self.arrays = (
            run,
            longer,
            np.zeros(self.capacity, DETECTION),
            more,
            pairs,
            np.zeros((2, self.capacity), NODE),
            np.zeros(self.capacity, CLUSTER),
        )

    def reserve_pairs(self, count: int) -> None:
        """Make room for `count` candidate pairs, so that the next frame of this size allocates none."""
        self.room_for_pairs = min(2 * count, MOST_PAIRS)
        run, table, detections, spans, _, nodes, clusters = self.arrays
        self.arrays = run, table, detections, spans, np.zeros((2, self.room_for_pairs), PAIR), nodes, clusters
