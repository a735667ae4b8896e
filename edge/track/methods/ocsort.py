"""OC-SORT (Cao et al., CVPR 2023, arXiv 2203.14360): SORT that trusts observations more than its Kalman filter.

Three ideas: the direction in which a track was seen to move counts in matching; what is left over is matched once more
by where tracks were last seen; and a track that was lost is corrected along the straight line between its last box and
the new one, as if it had been seen all the time.

The state is (centre x, centre y, area, width/height) with velocities of the first three. Its noise is diagonal, so that
it falls apart into filters of one coordinate each, as in `edge.track.motion.kalman`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.kernels.jit import kernel
from edge.track import state
from edge.track.lifecycle import are_apart, begin_frame, vote, write_shown
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import MOST_PAIRS, PAIR, Records, iou
from edge.track.method import Method, Preset
from edge.track.motion.kalman import correct, predict, start
from edge.track.motion.prediction import Boxes
from edge.track.parameters import number
from edge.track.stages import candidates
from edge.track.state import HIGH, LOST, REMOVED, TRACKED, Work, track_dtype

_KEPT = 8  # observations of a track that are remembered
_FILTER = 20  # numbers of a filter: five of each coordinate
_EPSILON = 1e-6  # keeps the authors' divisions from 0
_SURE = 1e3  # of a pair's gain: more than all else together, so that as many as can are matched

# Standard deviations of the authors' filter (SORT's, with their factors): of a new track, of one frame, of a box.
_START = (math.sqrt(10.0), math.sqrt(10.0), math.sqrt(10.0), math.sqrt(10.0)), (100.0, 100.0, 100.0, 0.0)
_FRAME = (1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.01, 0.0)
_BOX = (1.0, 1.0, math.sqrt(10.0), math.sqrt(10.0))


@dataclass(frozen=True)
class Parameters:
    """Defaults are the authors'.

    `track_thresh`: score from which detections take part at all, and start tracks.
    `iou_thresh`: least IoU of a pair, in both rounds.
    `delta_t`: over how many frames a track's direction is measured.
    `inertia`: weight of the direction beside the IoU.
    `min_hits`: how many frames in a row a track must be found before it is shown.
    `track_buffer`: how long a lost track is kept, in frames at 30 a second.
    """

    track_thresh: float = number(0.6, 0, 1)
    iou_thresh: float = number(0.3, 0, 1)
    delta_t: int = number(3, 1, _KEPT)
    inertia: float = number(0.2, 0, 1)
    min_hits: int = number(3, 0, 1000)
    track_buffer: float = number(30, 0, 1e6)


# `hits`: frames in a row it was found in. `seen`: how many observations there are, of which the newest is `newest` and
# those of the ring `times` and `boxes` are at its place modulo _KEPT; `direction` (y, x) is that of its last step.
# `saved` is the filter before its first miss, at `saved_at`; `was_seen` tells whether a miss is the first one.
_FIELDS = [
    ("hits", "i8"),
    ("seen", "i8"),
    ("was_seen", "?"),
    ("is_saved", "?"),
    ("saved_at", "f8"),
    ("newest", "f8", (4,)),
    ("direction", "f8", (2,)),
    ("times", "f8", (_KEPT,)),
    ("boxes", "f8", (4 * _KEPT,)),
    ("saved", "f8", (_FILTER,)),
    *((name, state.TRACK[name]) for name in state.TRACK.names or ()),
]


@kernel
def _measured(box: Any) -> Any:
    """A box (xyxy) as the filter sees it."""
    w, h = box[2] - box[0], box[3] - box[1]
    return box[0] + w / 2.0, box[1] + h / 2.0, w * h, w / (h + _EPSILON)


@kernel
def _write_box(track: Any) -> bool:
    """Set the track's `box` (xyxy) from its filter; False where the filter holds none."""
    p, box = track["position"], track["box"]
    if not (p[2] * p[3] > 0.0):
        return False
    w = math.sqrt(p[2] * p[3])
    h = p[2] / w
    box[0], box[1] = p[0] - w / 2.0, p[1] - h / 2.0
    box[2], box[3] = p[0] + w / 2.0, p[1] + h / 2.0
    return True


@kernel
def _predict(run: Any, table: Records, frames: float) -> None:
    """Move all tracks on; those whose area or aspect ratio is no longer positive end."""
    for i in range(run["tracks"]):
        track = table[i]
        if track["velocity"][2] + track["position"][2] <= 0.0:
            track["velocity"][2] = 0.0
        predict(track, frames, _FRAME[0], _FRAME[1])
        if track["status"] == LOST:
            track["hits"] = 0
        if not _write_box(track):
            track["status"] = REMOVED


@kernel
def _earlier(track: Any, now: float, delta_t: int) -> int:
    """The place of the observation `delta_t` frames ago, or of the next later one, or else of the newest; -1: none."""
    for back in range(delta_t, 0, -1):
        for k in range(max(0, track["seen"] - _KEPT), track["seen"]):
            if abs(track["times"][k % _KEPT] - (now - back)) < 0.5:
                return k % _KEPT
    return (track["seen"] - 1) % _KEPT if track["seen"] > 0 else -1


@kernel
def _direction(one: Any, other: Any) -> Any:
    """The unit vector (y, x) from the centre of box `one` to that of `other`."""
    dx = (other[0] + other[2]) / 2.0 - (one[0] + one[2]) / 2.0
    dy = (other[1] + other[3]) / 2.0 - (one[1] + one[3]) / 2.0
    norm = math.sqrt(dx * dx + dy * dy) + _EPSILON
    return dy / norm, dx / norm


@kernel
def _momentum(run: Any, track: Any, detection: Any) -> float:
    """What the direction to a detection is worth: from -inertia / 2 to inertia / 2, times its score."""
    place = _earlier(track, run["now"], int(run["delta_t"]))
    if place < 0:
        return 0.0
    dy, dx = _direction(track["boxes"][4 * place : 4 * place + 4], detection["box"])
    cosine = track["direction"][1] * dx + track["direction"][0] * dy
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    return (math.pi / 2.0 - angle) / math.pi * run["inertia"] * detection["score"]


@kernel
def _every_pair(work: Work) -> Any:
    """Every track with every high detection, arranged, with their IoU: (PAIRs, how many). As the authors compare."""
    tracks, count = work.run[0]["tracks"], 0
    wanted = 0
    for j in range(work.n):
        wanted += work.detections[j]["pool"] == HIGH
    pairs = np.empty(min(tracks * wanted, MOST_PAIRS), PAIR)
    for i in range(tracks):
        for j in range(work.n):
            if work.detections[j]["pool"] == HIGH and count < len(pairs):
                pair = pairs[count]
                pair["row"], pair["column"] = i, j
                pair["iou"] = max(0.0, iou(work.table[i]["box"], work.detections[j]["box"], 0.0))
                count += 1
    arrange(pairs, count, work.pairs[1], work.nodes[0], tracks, work.nodes[1], work.n)
    return pairs, count


@kernel
def _is_one_to_one(work: Work, pairs: Records, count: int) -> bool:
    """Whether no track and no detection is in two pairs above the threshold, and there is one at all."""
    rows, columns = work.nodes[0], work.nodes[1]
    for i in range(work.run[0]["tracks"]):
        rows[i]["best"] = 0.0
    for j in range(work.n):
        columns[j]["best"] = 0.0
    most = 0.0
    for p in range(count):
        if pairs[p]["iou"] > work.run[0]["iou_thresh"]:
            for node in (rows[pairs[p]["row"]], columns[pairs[p]["column"]]):
                node["best"] += 1.0
                most = max(most, node["best"])
    return most == 1.0


@kernel
def _match(work: Work, pairs: Records) -> None:
    """Match at the largest total gain; pairs below the threshold do not count."""
    run, rows = work.run[0], work.nodes[0]
    solve(pairs, rows, run["tracks"], work.nodes[1], work.n)
    for i in range(run["tracks"]):
        j = rows[i]["match"]
        if j >= 0:
            for p in range(rows[i]["start"], rows[i + 1]["start"]):
                if pairs[p]["column"] == j and pairs[p]["iou"] >= run["iou_thresh"]:
                    work.table[i]["detection"] = j
                    work.detections[j]["track"] = i


@kernel
def _associate(work: Work) -> int:
    """Both rounds; how many candidate pairs there were.

    The authors match every track to some detection and drop what overlaps too little afterwards. Where the published
    code is not reproduced only pairs that may stay are candidates.
    """
    run, table, detections = work.run[0], work.table, work.detections
    published = run["reference"]
    pairs, count = _every_pair(work) if published else candidates(work, run["iou_thresh"])
    clear = published and _is_one_to_one(work, pairs, count)
    for p in range(count):
        pair = pairs[p]
        detection = detections[pair["column"]]
        if clear:
            pair["gain"] = 1.0 if pair["iou"] > run["iou_thresh"] else 0.0
        elif detection["pool"] != HIGH:
            pair["gain"] = 0.0
        else:
            pair["gain"] = (_SURE if published else 0.0) + pair["iou"]
            pair["gain"] += _momentum(run, table[pair["row"]], detection)
    _match(work, pairs)
    return count + _recover(work)


@kernel
def _recover(work: Work) -> int:
    """The second round: what is left over, by where the tracks were last seen; how many pairs there were.

    The authors match every pair that overlaps at all and drop those below the threshold afterwards.
    """
    run, table, detections = work.run[0], work.table, work.detections
    floor = 0.0 if run["reference"] else run["iou_thresh"]
    left, free = 0, 0
    for i in range(run["tracks"]):
        left += table[i]["detection"] < 0 and table[i]["seen"] > 0
    for j in range(work.n):
        free += detections[j]["track"] < 0 and detections[j]["pool"] == HIGH
    if left == 0 or free == 0:
        return 0
    pairs, count, most = np.empty(min(left * free, MOST_PAIRS), PAIR), 0, 0.0
    for i in range(run["tracks"]):
        track = table[i]
        if track["detection"] >= 0 or track["seen"] == 0:
            continue
        for j in range(work.n):
            detection = detections[j]
            if detection["track"] >= 0 or detection["pool"] != HIGH or are_apart(run, track, detection):
                continue
            overlap = iou(track["newest"], detection["box"], 0.0)
            if overlap > floor and count < len(pairs):
                pairs[count]["row"], pairs[count]["column"] = i, j
                pairs[count]["iou"], pairs[count]["gain"] = overlap, overlap
                count += 1
                most = max(most, overlap)
    if most > run["iou_thresh"]:
        arrange(pairs, count, work.pairs[1], work.nodes[0], run["tracks"], work.nodes[1], work.n)
        _match(work, pairs)
    return count


@kernel
def _save(track: Any, now: float) -> None:
    """Keep the filter as it is: the next box may tell that it went astray from here on."""
    saved = track["saved"]
    for k in range(4):
        saved[k], saved[4 + k] = track["position"][k], track["velocity"][k]
        saved[8 + k], saved[12 + k] = track["var_position"][k], track["covariance"][k]
        saved[16 + k] = track["var_velocity"][k]
    track["saved_at"], track["is_saved"] = now, True


@kernel
def _replay(track: Any, box: Any, now: float) -> None:
    """Go back to the first miss, and from there along the straight line from the last box to `box`."""
    saved, last = track["saved"], track["last"]
    for k in range(4):
        track["position"][k], track["velocity"][k] = saved[k], saved[4 + k]
        track["var_position"][k], track["covariance"][k] = saved[8 + k], saved[12 + k]
        track["var_velocity"][k] = saved[16 + k]
    # The authors take width and height from area and ratio, whose division they keep from 0.
    x1, y1, s1, r1 = _measured(track["newest"])
    x2, y2, s2, r2 = _measured(box)
    w1, h1, w2, h2 = math.sqrt(s1 * r1), math.sqrt(s1 / r1), math.sqrt(s2 * r2), math.sqrt(s2 / r2)
    steps = max(1, int(np.rint(now - track["saved_at"])) + 1)
    for i in range(steps):
        time = track["saved_at"] + i if i + 1 < steps else now
        share = (time - last) / (now - last)
        x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
        w, h = w1 + share * (w2 - w1), h1 + share * (h2 - h1)
        correct(track, (x, y, w * h, w / h), _BOX)
        if i + 1 < steps:
            predict(track, 1.0, _FRAME[0], _FRAME[1])


@kernel
def _see(run: Any, track: Any, detection: Any) -> None:
    """Take in a detection."""
    box, now = detection["box"], run["now"]
    if track["seen"] > 0:
        place = _earlier(track, now, int(run["delta_t"]))
        dy, dx = _direction(track["boxes"][4 * place : 4 * place + 4], box)
        track["direction"][0], track["direction"][1] = dy, dx
    if not track["was_seen"] and track["is_saved"]:
        _replay(track, box, now)
        track["is_saved"] = False
    track["was_seen"] = True
    correct(track, _measured(box), _BOX)
    place = track["seen"] % _KEPT
    track["times"][place] = now
    for k in range(4):
        track["newest"][k] = box[k]
        track["boxes"][4 * place + k] = box[k]
    track["seen"] += 1
    track["hits"] += 1
    track["status"], track["last"], track["score"] = TRACKED, now, detection["score"]
    if run["voting"]:
        vote(track, detection)


@kernel
def _miss(run: Any, track: Any) -> None:
    """Note that there was no detection."""
    if track["was_seen"]:
        _save(track, run["now"])
    track["was_seen"] = False
    track["status"] = LOST
    if run["reference"] and run["now"] - track["last"] > run["lost_frames"]:
        track["status"] = REMOVED


@kernel
def _birth(work: Work, j: int) -> None:
    run, detection = work.run[0], work.detections[j]
    track = work.table[run["tracks"]]
    run["tracks"] += 1
    track["id"] = run["next_id"]
    run["next_id"] += 1
    track["class"], track["votes"], track["score"] = detection["class"], detection["score"], detection["score"]
    track["hits"], track["seen"] = 0, 0
    track["was_seen"], track["is_saved"] = False, False
    track["confirmed"], track["expired"] = True, False
    track["direction"][0], track["direction"][1] = 0.0, 0.0
    track["status"], track["detection"] = TRACKED, j
    track["start"], track["last"] = run["now"], run["now"]
    start(track, _measured(detection["box"]), _START[0], _START[1])
    _write_box(track)


@kernel
def _step(work: Work, frames: float, similarity: None, inputs: None) -> int:
    run, table, detections = work.run[0], work.table, work.detections
    begin_frame(run, table, frames)
    _predict(run, table, frames)
    count = _associate(work)
    for i in range(run["tracks"]):
        track = table[i]
        if track["status"] == REMOVED:
            continue
        if track["detection"] >= 0:
            _see(run, track, detections[track["detection"]])
        else:
            _miss(run, track)
    for j in range(work.n):
        if detections[j]["pool"] == HIGH and detections[j]["track"] < 0:
            _birth(work, j)
    return count


@kernel
def _show(work: Work, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> int:
    """Write the tracks found in this frame, and often enough before, to the output arrays; how many there are.

    What is shown is the box that was detected and not the filter's.
    """
    run, shown = work.run[0], 0
    for i in range(run["tracks"]):
        track = work.table[i]
        enough = track["hits"] >= run["min_hits"] or run["calls"] + 1 <= run["min_hits"]
        if track["status"] == TRACKED and enough:
            write_shown(track, shown, ids, boxes, scores, classes, rows)
            if track["seen"] > 0:
                for k in range(4):
                    boxes[shown, k] = track["newest"][k]
            shown += 1
    return shown


def _predicted(run: Records, table: Records, frames: float) -> Boxes:
    """The boxes (xyxy, `[T, 4]`) of the tracks `frames` later."""
    moved: Boxes = table["position"] + frames * table["velocity"]
    moved[:, 2:] = np.where(moved[:, 2:] > 0, moved[:, 2:], table["position"][:, 2:])
    width = np.sqrt(np.maximum(moved[:, 2] * moved[:, 3], _EPSILON))
    size = np.stack([width, moved[:, 2] / width], axis=1)
    return np.concatenate([moved[:, :2] - size / 2, moved[:, :2] + size / 2], axis=1)


METHOD = Method(
    name="ocsort",
    parameters=Parameters,
    step=_step,
    show=_show,
    high="track_thresh",
    presets={"reference": Preset()},
    track_dtype=track_dtype("ocsort", _FIELDS),
    predicted_boxes=_predicted,
    keeps_groups_apart=True,
)
