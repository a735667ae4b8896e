"""Camera motion without looking at the image: the shift on which the followed tracks agree.

Every confirmed track seen in the frame before is paired with the detection that fits it best and that it fits best.
How far the pairs are off their predictions is partly people (each their own way) and partly the camera (all the same
way). A robust mean of the offsets, a Cauchy M-estimator solved by reweighting, is the camera's part, and all tracks
are shifted by it: those lost or new too, which is where it helps most.

A camera that pans does so for a while, so it is first taken to go on as it moved: what is found is what it did
differently. Where people would otherwise be sought a body's width off, above all after dropped frames, that is what
keeps them. Nothing of it enters the tracks' own velocities.
"""

from typing import Any

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records
from edge.track.state import TRACKED, Work

# Field of a tracker's record: how the camera's motion moves the picture, x and y in pixels a frame.
FIELDS: list[tuple[str, str, tuple[int]]] = [("camera_velocity", "f8", (2,))]

_FEWEST = 3  # fewer pairs agree on nothing
_MOST = 64  # more pairs make the mean no better
_ROUNDS = 5  # of reweighting after the plain mean; it is settled within .01 of a box height
_CAUCHY = 2.0  # offsets this many standard deviations off count half
_ALIKE = 0.3  # least similarity of a pair: IoU of the widened boxes by ratio of heights


@kernel
def widened(box: Any, reach: float) -> Any:
    """`box` (xyxy) with `reach` of its width and height added on every side."""
    dx, dy = reach * (box[2] - box[0]), reach * (box[3] - box[1])
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


@kernel
def go_on(work: Work, frames: float) -> None:
    """Shift all tracks as the camera would have shifted them in `frames` had it gone on as it moved."""
    x, y = work.run[0]["camera_velocity"]
    _shift(work, frames * x, frames * y)


@kernel
def follow(work: Work, pairs: Records, count: int, frames: float) -> None:
    """Shift all tracks by what the camera did differently, and remember how it moved in these `frames`.

    Where too few agree it is taken to have stood still. Less than a frame counts as one: a clock that jumps would make
    a race of a tremble.
    """
    velocity = work.run[0]["camera_velocity"]
    agreed, x, y = consensus(work, pairs, count)
    if not agreed:
        x, y = -frames * velocity[0], -frames * velocity[1]
    _shift(work, x, y)
    velocity[0] += x / max(frames, 1.0)
    velocity[1] += y / max(frames, 1.0)


@kernel
def consensus(work: Work, pairs: Records, count: int) -> Any:
    """The shift of the picture since the predictions were made: (whether enough agree on one, x, y).

    `pairs` are candidates whose `iou` is that of the widened boxes.
    """
    run, offsets = work.run[0], work.spans[2]
    if run["camera_noise"] <= 0.0:
        return False, 0.0, 0.0
    _best_partners(work, pairs, count)
    n = _offsets(work, offsets)
    if n < _FEWEST:
        return False, 0.0, 0.0
    x = y = 0.0
    for turn in range(_ROUNDS + 1):
        total = sum_x = sum_y = 0.0
        for k in range(n):
            dx, dy, variance = offsets[k]["box"][0], offsets[k]["box"][1], offsets[k]["box"][2]
            weight = 1.0
            if turn > 0:
                far = ((dx - x) * (dx - x) + (dy - y) * (dy - y)) / (_CAUCHY * _CAUCHY * variance)
                weight = 1.0 / ((1.0 + far) * variance)
            total += weight
            sum_x += weight * dx
            sum_y += weight * dy
        x, y = sum_x / total, sum_y / total
    return True, x, y


@kernel
def _best_partners(work: Work, pairs: Records, count: int) -> None:
    """Set `match` of all tracks' and detections' NODEs to their best partner (-1: none), `best` to that similarity."""
    run, table, detections, rows, columns = work.run[0], work.table, work.detections, work.nodes[0], work.nodes[1]
    for i in range(run["tracks"]):
        rows[i]["match"], rows[i]["best"] = -1, 0.0
    for j in range(work.n):
        columns[j]["match"], columns[j]["best"] = -1, 0.0
    for p in range(count):
        i, j, alike = pairs[p]["row"], pairs[p]["column"], pairs[p]["iou"]
        track, detection = table[i], detections[j]
        followed = track["confirmed"] and track["status"] == TRACKED
        if alike <= _ALIKE or not followed or detection["score"] < run["birth_score"]:
            continue
        height, seen = track["position"][3], detection["box"][3] - detection["box"][1]
        alike *= min(height, seen) / max(height, seen)
        if alike <= _ALIKE:
            continue
        if alike > rows[i]["best"]:
            rows[i]["match"], rows[i]["best"] = j, alike
        if alike > columns[j]["best"]:
            columns[j]["match"], columns[j]["best"] = i, alike


@kernel
def _offsets(work: Work, offsets: Records) -> int:
    """Write offset and variance of the pairs that chose each other into the `box` of `offsets`; how many there are."""
    run, rows, columns = work.run[0], work.nodes[0], work.nodes[1]
    n = 0
    for i in range(run["tracks"]):
        j = rows[i]["match"]
        if j < 0 or columns[j]["match"] != i or n == _MOST:
            continue
        position, seen, offset = work.table[i]["position"], work.detections[j]["box"], offsets[n]["box"]
        offset[0] = (seen[0] + seen[2]) / 2.0 - position[0]
        offset[1] = (seen[1] + seen[3]) / 2.0 - position[1]
        offset[2] = (run["camera_noise"] * position[3]) ** 2
        n += 1
    return n


@kernel
def _shift(work: Work, x: float, y: float) -> None:
    """Move the boxes and positions of all tracks."""
    for i in range(work.run[0]["tracks"]):
        position, box = work.table[i]["position"], work.table[i]["box"]
        position[0] += x
        position[1] += y
        box[0] += x
        box[1] += y
        box[2] += x
        box[3] += y
