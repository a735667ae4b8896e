"""A tracking method of your own in one file: each track takes the nearest detection.

    nanotrack track --path street.mp4 --model person.pack --tracking-method nearest_method:METHOD --mot out.txt

or in Python `Tracker("nearest_method:METHOD", frame_rate=25.0, reach=0.5)`. It is compiled when it is first used, and
read from the cache in every later process until this file changes.
"""

import math
from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track.lifecycle import begin_frame, birth, lose_unseen, predict_confirmed, update
from edge.track.method import Method
from edge.track.motion.kalman import XYWH
from edge.track.parameters import number
from edge.track.state import HIGH, Work


@dataclass(frozen=True)
class Parameters:
    """What can be tuned: a default, the least and the largest value. In kernels they are fields of `work.run[0]`.

    `least_score`: detections below are not used. `reach`: how far a track looks, in heights of its box.
    `track_buffer`: how long a track that is not seen is kept, in frames at 30 a second; every method has it.
    """

    least_score: float = number(0.4, 0, 1)
    reach: float = number(0.5, 0, 10)
    track_buffer: float = number(30, 0, 1e6)


@kernel
def distance(track: Any, detection: Any) -> float:
    """From centre to centre, in heights of the track's box."""
    a, b = track["box"], detection["box"]
    return math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / (2.0 * (a[3] - a[1]))


@kernel
def step(work: Work, frames: float, similarity: None, inputs: None) -> int:
    """One frame, between reading the detections and showing the tracks."""
    run, table, detections = work.run[0], work.table, work.detections
    begin_frame(run, table, frames)
    predict_confirmed(run, table, frames, XYWH)
    for i in range(run["tracks"]):
        nearest, least = -1, run["reach"]
        for j in range(work.n):
            detection = detections[j]
            if detection["pool"] == HIGH and detection["track"] < 0 and distance(table[i], detection) < least:
                nearest, least = j, distance(table[i], detection)
        if nearest >= 0:
            update(run, table[i], i, detections[nearest], nearest, XYWH)
    for j in range(work.n):
        if detections[j]["pool"] == HIGH and detections[j]["track"] < 0:
            birth(run, table, detections[j], j, XYWH)
    lose_unseen(run, table)
    return 0


METHOD = Method(name="nearest", parameters=Parameters, step=step, high="least_score", low="least_score")
