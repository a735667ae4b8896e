"""What happens to tracks whatever the method: they are started, updated, lost, removed and shown."""

import math
from typing import Any

import numpy as np

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records
from edge.track.motion.kalman import correct_box, predict_box, start_box
from edge.track.state import CLASSES, HIGH, LOST, LOW, NOWHERE, REMOVED, TRACKED, Work

BAD_SHAPE, BAD_BOX, BAD_SCORE = -1, -2, -3


@kernel
def read(run: Any, detections: Records, boxes: Any, scores: Any, classes: Any) -> int:
    """Copy the frame's detections into DETECTION records and sort them into score pools.

    The high pool is score >= run["high"], the low one what is left from run["low"] on; the published code leaves out
    equality on both sides. Boxes without area belong to no pool and are counted as ignored. The result is 0, or
    with nothing counted BAD_SHAPE if the arrays do not fit together, BAD_BOX if a coordinate is not finite, BAD_SCORE
    if a score lies outside 0..1.
    """
    n = len(scores)
    if boxes.shape[0] != n or boxes.shape[1] != 4 or len(classes) != n:
        return BAD_SHAPE
    # Thresholds are rounded like the scores: float32(.6) >= .6 must hold.
    high, low = np.float64(np.float32(run["high"])), np.float64(np.float32(run["low"]))
    ignored = 0
    for j in range(n):
        detection = detections[j]
        box = detection["box"]
        for k in range(4):
            box[k] = boxes[j, k]
        score = np.float64(scores[j])
        if not math.isfinite(box[0] + box[1] + box[2] + box[3]):
            return BAD_BOX
        if not 0.0 <= score <= 1.0:
            return BAD_SCORE
        detection["score"] = score
        detection["class"] = classes[j]
        detection["track"] = -1
        detection["promoted"] = False
        detection["recycled"] = False
        detection["covered"] = False
        detection["pool"] = NOWHERE
        if box[2] <= box[0] or box[3] <= box[1]:
            ignored += 1
        elif score > high or (score == high and not run["reference"]):
            detection["pool"] = HIGH
        elif score < high and (score > low or (score == low and not run["reference"])):
            detection["pool"] = LOW
    run["ignored"] += ignored
    return 0


@kernel
def begin_frame(run: Any, table: Records, frames: float) -> None:
    """Move the clock on. Tracks unseen for too long leave first; the published code removes them after matching."""
    run["now"] += frames
    for i in range(run["tracks"]):
        track = table[i]
        track["detection"] = -1
        track["similarity_row"] = i
        if not run["reference"] and run["now"] - track["last"] > run["lost_frames"]:
            track["status"] = REMOVED
    compact(run, table)


@kernel
def predict_confirmed(run: Any, table: Records, frames: float, model: int) -> None:
    """Move confirmed tracks on, lost ones without growth. Unconfirmed tracks are matched where they were born."""
    keep_size = not run["reference"]
    for i in range(run["tracks"]):
        track = table[i]
        if track["confirmed"]:
            predict_box(track, frames, model, track["status"] != TRACKED, keep_size)


@kernel
def birth(run: Any, table: Records, detection: Any, j: int, model: int) -> None:
    """Start a track at `detection`, row `j`. Only on a tracker's first call it is confirmed at once."""
    track = table[run["tracks"]]
    track["id"] = run["next_id"]
    track["class"], track["votes"] = detection["class"], detection["score"]
    track["confirmed"] = run["calls"] == 0
    track["expired"] = False
    track["start"] = run["now"]
    start_box(track, detection["box"], model)
    _note(track, detection, j, run["now"])
    run["next_id"] += 1
    run["tracks"] += 1


@kernel
def start_tracks(work: Work, model: int) -> None:
    """Start a track at every high detection left over whose score is `birth_margin` above that pool's."""
    run, detections = work.run[0], work.detections
    lowest = np.float64(np.float32(run["track_thresh"] + run["birth_margin"]))
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] == HIGH and detection["track"] < 0 and detection["score"] >= lowest:
            birth(run, work.table, detection, j, model)


@kernel
def update(run: Any, track: Any, i: int, detection: Any, j: int, model: int) -> None:
    """Update `track`, row `i`, with `detection`, row `j`: it is followed and confirmed from now on."""
    correct_box(track, detection["box"], model)
    track["confirmed"] = True
    detection["track"] = i
    if run["voting"]:
        vote(track, detection)
    _note(track, detection, j, run["now"])


@kernel
def vote(track: Any, detection: Any) -> None:
    """The class with the majority of the score wins (Boyer and Moore 1981, weighted)."""
    if detection["class"] == track["class"]:
        track["votes"] += detection["score"]
    else:
        track["votes"] -= detection["score"]
        if track["votes"] < 0.0:
            track["votes"], track["class"] = -track["votes"], detection["class"]


@kernel
def group(run: Any, number: int) -> int:
    """The group of a class: the first class of it, or the class itself where it was put into none."""
    return run["groups"][number] if 0 <= number < CLASSES else number


@kernel
def are_apart(run: Any, one: Any, other: Any) -> bool:
    """Whether the classes of two tracks or detections keep them from being the same object."""
    return run["apart"] and one["class"] != other["class"] and group(run, one["class"]) != group(run, other["class"])


@kernel
def _note(track: Any, detection: Any, j: int, now: float) -> None:
    track["status"] = TRACKED
    track["last"] = now
    track["score"] = detection["score"]
    track["detection"] = j


@kernel
def lose_unseen(run: Any, table: Records) -> None:
    """Confirmed tracks without a detection are lost, unconfirmed ones removed at once.

    The published code also strikes off old lost tracks here: one past the buffer stays matchable for one more frame,
    and if revived then it is deleted at its next miss.
    """
    for i in range(run["tracks"]):
        track = table[i]
        if track["detection"] >= 0:
            continue
        if not track["confirmed"] or track["expired"]:
            track["status"] = REMOVED
        elif track["status"] == LOST:
            track["expired"] = run["reference"] and run["now"] - track["last"] > run["lost_frames"]
        else:
            track["status"] = LOST


@kernel
def compact(run: Any, table: Records) -> None:
    """Take removed tracks out of the table; the others keep their order."""
    kept = 0
    for i in range(run["tracks"]):
        if table[i]["status"] != REMOVED:
            if kept < i:
                table[kept] = table[i]
            kept += 1
    run["tracks"] = kept


@kernel
def by_score(work: Work) -> Any:
    """The rows of all detections, the best score first, equal ones in their order."""
    scores = np.empty(work.n)
    for j in range(work.n):
        scores[j] = -work.detections[j]["score"]
    return np.argsort(scores, kind="mergesort")


@kernel
def show(work: Work, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> int:
    """Write the confirmed tracks seen in this frame to the output arrays; how many there are."""
    shown = 0
    for i in range(work.run[0]["tracks"]):
        track = work.table[i]
        if track["confirmed"] and track["status"] == TRACKED:
            write_shown(track, shown, ids, boxes, scores, classes, rows)
            shown += 1
    return shown


@kernel
def write_shown(track: Any, row: int, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> None:
    """Write one track to `row` of the output arrays."""
    ids[row] = track["id"]
    for k in range(4):
        boxes[row, k] = track["box"][k]
    scores[row] = track["score"]
    classes[row] = track["class"]
    rows[row] = track["detection"]
