"""Camera motion without looking at the image: the shift on which the followed tracks agree.

Every confirmed track that was seen in the frame before is paired with a detection if each is the other's best match.
The offset of a pair from its prediction has two parts: the person's own motion, different for each pair, and the
camera's, the same for all. A robust mean of the offsets (a Cauchy M-estimator, solved by iterative reweighting) is the
camera's part. All tracks are shifted by it, lost and new ones too, which gain most.

A camera that pans usually goes on panning, so all tracks are first shifted by its last velocity, and only the change
is estimated. This matters most after dropped frames, when people would otherwise be searched a body's width away. The
tracks' own velocities are not changed.

A camera at rest must stay at rest, although three walkers may agree on a shift by chance. In squared heights, with the
weights w_i, the variance v_i and the residual r_i of pair i:

    M = |whole shift since the last frame|^2        what the camera did, if it was the camera
    E = sum w_i^2 (r_i^2 + v_i / 2) / (sum w_i)^2   squared error of the mean
    U = moving average of max(0, M - E)             variance of the shifts of the last seconds beyond their errors
    V = max(U, M - 9 E)                             a single shift beyond three errors is enough

and V / (V + E) of the shift is taken for the camera's (Wiener filter).
"""

import math
from typing import Any

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records
from edge.track.state import TRACKED, Work

# Fields of a tracker's record: how the camera's motion moves the picture, x and y in pixels a frame; and U above.
FIELDS: list[Any] = [("camera_velocity", "f8", (2,)), ("camera_variance", "f8")]

REACH = 0.15  # how far pairs are sought, in box sizes beyond every side

_FEWEST = 3  # fewer pairs agree on nothing
_MOST = 64  # more pairs make the mean no better
_ROUNDS = 5  # of reweighting after the plain mean, at most ...
_SETTLED = 1e-3  # ... until one changes the shift by no more than this, in heights
_CAUCHY = 2.0  # offsets this many standard deviations off count half
_ALIKE = 0.3  # least similarity of a pair: IoU of the widened boxes by ratio of heights
_MEMORY_S = 2.0  # a camera that moved is believed to move for about so long
_JUMP = 9.0  # squared errors


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

    Where too few pairs agree the camera is taken to be at rest. A step of less than a frame counts as one frame: a
    small shift over a tiny step of a clock that jumps would be a huge velocity.
    """
    run, velocity = work.run[0], work.run[0]["camera_velocity"]
    agreed, x, y, error, height = consensus(work, pairs, count)
    whole_x, whole_y, share = x + frames * velocity[0], y + frames * velocity[1], 0.0
    if agreed:
        motion = (whole_x * whole_x + whole_y * whole_y) / (height * height)
        share = _share(run, motion, error, frames / run["frame_rate"])
    x, y = share * whole_x - frames * velocity[0], share * whole_y - frames * velocity[1]
    _shift(work, x, y)
    velocity[0] += x / max(frames, 1.0)
    velocity[1] += y / max(frames, 1.0)


@kernel
def _share(run: Any, motion: float, error: float, seconds: float) -> float:
    """What part of a shift is the camera's: V / (V + E) for M = `motion` and E = `error`; U is brought on."""
    run["camera_variance"] += (1.0 - math.exp(-seconds / _MEMORY_S)) * (
        max(0.0, motion - error) - run["camera_variance"]
    )
    moves = max(run["camera_variance"], motion - _JUMP * error)
    return moves / (moves + error)


@kernel
def consensus(work: Work, pairs: Records, count: int) -> Any:
    """The shift of the picture since the predictions were made: (whether enough agree on one, x, y, E, mean height).

    `pairs` are candidates whose `iou` is that of the widened boxes. E is in squared heights, see above.
    """
    run, offsets = work.run[0], work.spans[2]
    if run["camera_noise"] <= 0.0:
        return False, 0.0, 0.0, 0.0, 1.0
    _best_partners(work, pairs, count)
    n = _offsets(work, offsets)
    if n < _FEWEST:
        return False, 0.0, 0.0, 0.0, 1.0
    x = y = total = squares = heights = 0.0
    for turn in range(_ROUNDS + 1):
        before_x, before_y = x, y
        total = sum_x = sum_y = squares = heights = 0.0
        for k in range(n):
            dx, dy, variance, height = offsets[k]["box"]
            off = (dx - x) * (dx - x) + (dy - y) * (dy - y)
            weight = 1.0
            if turn > 0:
                weight = 1.0 / ((1.0 + off / (_CAUCHY * _CAUCHY * variance)) * variance)
            total += weight
            sum_x += weight * dx
            sum_y += weight * dy
            squares += weight * weight * (off + 0.5 * variance)
            heights += weight * height
        x, y = sum_x / total, sum_y / total
        change = (x - before_x) * (x - before_x) + (y - before_y) * (y - before_y)
        if turn > 0 and change * total * total <= _SETTLED * _SETTLED * heights * heights:
            break
    height = heights / total
    return True, x, y, squares / (total * total * height * height), height


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
        if alike <= _ALIKE:  # most pairs: their records are not even read
            continue
        track, detection = table[i], detections[j]
        if not track["confirmed"] or track["status"] != TRACKED or detection["score"] < run["birth_score"]:
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
    """Write offset, variance and height of the pairs that chose each other into the boxes of `offsets`; how many."""
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
        offset[3] = position[3]
        n += 1
    return n


@kernel
def _shift(work: Work, x: float, y: float) -> None:
    """Move the boxes and positions of all tracks, and where they began."""
    for i in range(work.run[0]["tracks"]):
        position, box, born = work.table[i]["position"], work.table[i]["box"], work.table[i]["born"]
        position[0] += x
        position[1] += y
        box[0] += x
        box[1] += y
        box[2] += x
        box[3] += y
        born[0] += x
        born[1] += y
