"""NanoTrack, the default method: the modules of the published one, each based on evidence in place of thresholds.

- Refind: detections of low score continue tracks, lost ones too.
- Recycle: any detection may start a track, which is shown once there is enough evidence for it.
- Check duplicates: a detection on top of a known object is weaker evidence.
- Depth: the lower edge of a box tells which object is in front, and how tall an object should be there.

Steps of a frame: predict; compensate camera motion; match in three stages; update filters and evidence; start tracks;
show those whose scores are usual in the scene. Lengths are relative to the box height, times are in seconds. The
published algorithm is in nanotrack_published.py.
"""

import math
from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track import standing, state
from edge.track.appearance.memory import UNKNOWN, cosine_memories
from edge.track.evidence import DROP, FIRST_S, doubts, first, gained, log_odds
from edge.track.lifecycle import are_apart, begin_frame, vote
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import Records, iou, overlapping, sort_spans, span
from edge.track.matching.similarity import grown, margin, returning, similarity, worth
from edge.track.method import Method, Preset
from edge.track.methods import nanotrack_published
from edge.track.motion import camera_motion, perspective
from edge.track.motion.kalman import XYWH, correct, measurement, predict, start, write_box
from edge.track.motion.prediction import predicted_with_camera
from edge.track.parameters import ReentryParameters, number
from edge.track.state import HIGH, LOST, LOW, NOWHERE, REMOVED, TRACKED, Work, track_dtype

_FIRST, _SECOND, _THIRD = range(3)  # stages
_SCORE_MEMORY_S = 0.15  # time constant of a track's running score
_ONE_FRAME = 6.0  # frames a second; at this rate or more at least one missed frame is bridged, if `coast_s` > 0
_LEAST_SHRINK = 1e-3  # no box may shrink to less than this fraction in one correction


@dataclass(frozen=True)
class Parameters(ReentryParameters):
    """One setting for all data sets, frame rates and cameras; docs/results has the effect of each component.

    Scores are treated as probabilities; h is the height of a box, o the log-odds of a score. Parameter, unit, effect:

    - `high_score`, score: detections of at least this score are matched first, the others to the tracks left.
    - `low_score`, score: detections below are ignored.
    - `birth_score`, score: the least that starts a track, or that is used to estimate the camera's motion.
    - `similarity_floor`, score^2: the least score^2 * similarity of a match; higher: fewer wrong matches, more losses.
    - `similarity_enough`, 1: a similarity that is enough whatever the score.
    - `uncertainty_reach`, 1: by how many standard deviations of its position an uncertain track's box is grown.
    - `absence_s`, s: a track of score 1 unseen for so long must fit twice as well; inf: time unseen has no effect.
    - `continuity`, 1/score: by how much a change of the score lowers the similarity; 0: not at all.
    - `feet_tolerance`, h: an offset of the lower edge that halves the similarity; inf: it has no effect.
    - `position_noise`, h/sqrt(s), and `velocity_noise`, h/s/sqrt(s): process noise; higher: follows faster.
    - `start_velocity_noise`, h/s: how fast objects move when first seen, as a standard deviation.
    - `measurement_noise`, h: standard deviation of a box of score 1 that nothing overlaps.
    - `score_noise`, `overlap_noise`, 1: factors (1 + this * (1 - score)) and (1 + this * overlap) of that deviation.
    - `camera_noise`, h: deviation of single objects from the camera's motion; 0: the camera never moves.
    - `confirm_evidence`, log-odds: a track is confirmed at this evidence; higher: later, with fewer false tracks.
    - `score_evidence`, 1/s: evidence a second for every unit of o.
    - `sight_evidence`, log-odds/s: evidence for being detected at all.
    - `overlap_evidence`, `height_evidence`, log-odds/s: evidence against new tracks on known ones, or of odd height.
    - `overconfidence`, 1: this part of the usual o above 1 is subtracted from the o of new tracks.
    - `usual_share`, 1: a track is shown from this part of the usual o on; higher: less clutter, fewer faint people.
    - `still_share`, 1: the same for a track that has never moved.
    - `wander_weight`, 1: how far below that it may be, in units of the variance of o within a track.
    - `lost_s`, s: how long a confirmed track is kept unseen; `new_s`: how long one that is not.
    - `coast_s`, s: how long a confirmed track is shown unseen, at its predicted place; 0: not at all, else at least one
      frame at 6 frames a second or more.
    - `appearance_weight`, 1: with appearance, the part of its similarity that a pair of different people loses.
    - `other_cosine`, cosine: typical for embeddings of two different people; a higher one costs less.
    """

    high_score: float = number(0.3, 0, 1)
    low_score: float = number(0.1, 0, 1)
    birth_score: float = number(0.25, 0, 1)
    similarity_floor: float = number(0.1, 0, 1)
    similarity_enough: float = number(0.5, 0, 1)
    uncertainty_reach: float = number(0.2, 0, 10)
    absence_s: float = number(2, 1e-6, math.inf)
    continuity: float = number(0.35, 0, 1)
    feet_tolerance: float = number(0.26, 1e-6, math.inf)
    position_noise: float = number(0.274, 0, 1e6)
    velocity_noise: float = number(1.03, 0, 1e6)
    start_velocity_noise: float = number(1.2, 0, 1e6)
    measurement_noise: float = number(0.037, 1e-6, 1e6)
    score_noise: float = number(4.5, 0, 1e6)
    overlap_noise: float = number(1, 0, 1e6)
    camera_noise: float = number(0.05, 0, 1e6)
    confirm_evidence: float = number(1, -1e6, 1e6)
    score_evidence: float = number(12, 0, 1e6)
    sight_evidence: float = number(14, 0, 1e6)
    overlap_evidence: float = number(39, 0, 1e6)
    height_evidence: float = number(7.5, 0, 1e6)
    overconfidence: float = number(0.3, 0, 1)
    usual_share: float = number(0.45, 0, 1)
    still_share: float = number(0.75, 0, 1)
    wander_weight: float = number(1.2, 0, 1e6)
    lost_s: float = number(2, 0, 1e6)
    new_s: float = number(0.06, 0, 1e6)
    coast_s: float = number(0.07, 0, 1e6)
    appearance_weight: float = number(0.7, 0, 1, was="looks_weight")
    other_cosine: float = number(0.5, -1, 0.99)

    @property
    def track_buffer(self) -> float:
        """`lost_s` as the other methods give it: in frames at 30 a second."""
        return 30.0 * self.lost_s


# `number`: the id shown, given at confirmation; 0 before.
_TRACK_FIELDS = [
    ("number", "i8"),
    ("evidence", "f8"),
    *standing.FIELDS,
    *((name, state.TRACK[name]) for name in state.TRACK.names or ()),
]


@kernel
def _predict(work: Work, frames: float) -> None:
    """Predict the centres; sizes stay the same and become less certain."""
    run = work.run[0]
    p = run["position_noise"] / math.sqrt(run["frame_rate"])
    v = run["velocity_noise"] / run["frame_rate"] ** 1.5
    for i in range(run["tracks"]):
        track = work.table[i]
        h = track["position"][3]
        predict(track, frames, (p * h, p * h, p * h, p * h), (v * h, v * h, 0.0, 0.0))
        write_box(track, XYWH)


@kernel
def _candidates(work: Work) -> Any:
    """All pairs whose widened boxes overlap, arranged by (track, detection), with that IoU: (PAIRs, how many)."""
    run, spans = work.run[0], work.spans
    tracks, usable = run["tracks"], 0
    for i in range(tracks):
        box = camera_motion.widened(work.table[i]["box"], camera_motion.REACH)
        span(spans[0][i], i, grown(box, 2.0 * margin(run, work.table[i])), 0.0)
    for j in range(work.n):
        if work.detections[j]["pool"] != NOWHERE:
            span(spans[1][usable], j, camera_motion.widened(work.detections[j]["box"], camera_motion.REACH), 0.0)
            usable += 1
    sort_spans(spans[0], tracks, spans[2], run["digits"])
    sort_spans(spans[1], usable, spans[2], run["digits"])
    pairs, count = overlapping(spans[0], tracks, spans[1], usable, 0.0, 0.0, work.pairs[0])
    arrange(pairs, count, work.pairs[1], work.nodes[0], tracks, work.nodes[1], work.n)
    return pairs, count


@kernel
def _compare(work: Work, pairs: Records) -> int:
    """Keep the pairs whose boxes overlap, grown by the track's margin, with that IoU and their similarity; how many."""
    run, rows, kept = work.run[0], work.nodes[0], 0
    for i in range(run["tracks"]):
        track, first = work.table[i], kept
        left = returning(run, track) if track["status"] == LOST else 1.0
        more = margin(run, track)
        box = grown(track["box"], more)
        for p in range(rows[i]["start"], rows[i + 1]["start"]):
            j = pairs[p]["column"]
            detection = work.detections[j]
            overlap = iou(box, grown(detection["box"], more), 0.0)
            if overlap > 0.0 and not are_apart(run, track, detection):
                pair = pairs[kept]
                pair["row"], pair["column"], pair["iou"] = i, j, overlap
                pair["similarity"] = left * similarity(run, track, detection, overlap)
                kept += 1
        rows[i]["start"] = first
    rows[run["tracks"]]["start"] = kept
    return kept


@kernel
def _compare_appearance(work: Work, pairs: Records, count: int, cosines: Any) -> None:
    """Lower the similarity of pairs of different appearance. `cosines`: a row for each track at the frame's start."""
    run = work.run[0]
    if cosines.shape[0] == 0:
        return
    for p in range(count):
        pair = pairs[p]
        cosine = cosines[work.table[pair["row"]]["similarity_row"], pair["column"]]
        if cosine > UNKNOWN:
            difference = min(1.0, (1.0 - cosine) / (1.0 - run["other_cosine"]))
            pair["similarity"] *= 1.0 - run["appearance_weight"] * difference


@kernel
def _gain(run: Any, stage: int, track: Any, detection: Any, alike: float) -> float:
    """Gain of matching in a stage, 0 or less where it is not allowed."""
    score = detection["score"]
    if stage == _FIRST:
        return worth(run, alike, score) if track["confirmed"] and detection["pool"] == HIGH else 0.0
    if stage == _SECOND:
        return worth(run, alike, score) if detection["pool"] == LOW else 0.0
    return 0.0 if track["confirmed"] else alike


@kernel
def _match(work: Work, pairs: Records, stage: int) -> None:
    """Match what is still free. Stages: confirmed tracks with high, all with low, new tracks with all detections."""
    run, table, detections, rows, columns = work.run[0], work.table, work.detections, work.nodes[0], work.nodes[1]
    tracks, wanted = run["tracks"], False
    for i in range(tracks):
        track = table[i]
        free = track["detection"] < 0
        for p in range(rows[i]["start"], rows[i + 1]["start"]):
            pair = pairs[p]
            pair["gain"] = 0.0
            if free and pair["similarity"] > 0.0:
                detection = detections[pair["column"]]
                if detection["track"] < 0:
                    pair["gain"] = _gain(run, stage, track, detection, pair["similarity"])
                    wanted |= pair["gain"] > 0.0
    if not wanted:
        return
    solve(pairs, rows, tracks, columns, work.n)
    for i in range(tracks):
        j = rows[i]["match"]
        if j >= 0:
            table[i]["detection"] = j
            detections[j]["track"] = i


@kernel
def _find_overlaps(work: Work, pairs: Records, count: int) -> None:
    """Set every detection's overlap with confirmed tracks that were matched with another one."""
    for j in range(work.n):
        work.detections[j]["overlap"] = 0.0
    for p in range(count):
        j, track = pairs[p]["column"], work.table[pairs[p]["row"]]
        if track["confirmed"] and track["detection"] >= 0 and track["detection"] != j:
            work.detections[j]["overlap"] = max(work.detections[j]["overlap"], pairs[p]["iou"])


@kernel
def _noise(run: Any, detection: Any, height: float) -> float:
    """Standard deviation of a detection's box for an object of this `height`, in pixels."""
    unsure = 1.0 + run["score_noise"] * (1.0 - detection["score"])
    return run["measurement_noise"] * height * unsure * (1.0 + run["overlap_noise"] * detection["overlap"])


@kernel
def _correct(run: Any, track: Any, detection: Any) -> None:
    """Correct the track's filter: a detection of low score, or overlapped by other tracks, has more noise."""
    noise = _noise(run, detection, track["position"][3])
    width, height = track["position"][2], track["position"][3]
    correct(track, measurement(detection["box"], XYWH), (noise, noise, noise, noise))
    track["position"][2] = max(track["position"][2], _LEAST_SHRINK * width)
    track["position"][3] = max(track["position"][3], _LEAST_SHRINK * height)
    write_box(track, XYWH)


@kernel
def _confirm(run: Any, track: Any) -> None:
    if not track["confirmed"] and track["evidence"] >= run["confirm_evidence"]:
        track["confirmed"] = True
        run["shown"] += 1
        track["number"] = run["shown"]


@kernel
def _update(work: Work, frames: float) -> None:
    """Update the matched tracks and their evidence, remove those with too little, start new ones."""
    run, table, detections = work.run[0], work.table, work.detections
    seconds, before = frames / run["frame_rate"], run["tracks"]
    known, base, slope = perspective.line(run)
    perspective.forget(run, seconds)
    standing.begin_frame(run, seconds)
    step = 1.0 - math.exp(-seconds / _SCORE_MEMORY_S)
    for i in range(before):
        track = table[i]
        if track["detection"] < 0:
            track["status"] = LOST
            given_up = run["now"] - track["last"] > run["new_s"] * run["frame_rate"]
            if not track["confirmed"] and given_up:
                track["status"] = REMOVED
            continue
        detection = detections[track["detection"]]
        score, box = detection["score"], detection["box"]
        doubt = 0.0
        if not track["confirmed"]:
            doubt = doubts(run, detection["overlap"], perspective.surprise(run, known, base, slope, box))
        odds = log_odds(score)
        track["evidence"] += gained(run, odds, doubt, seconds)
        _correct(run, track, detection)
        vote(track, detection)
        _confirm(run, track)
        track["score"] += step * (score - track["score"])
        track["status"], track["last"] = TRACKED, run["now"]
        if track["evidence"] < DROP:
            track["status"] = REMOVED
        standing.see(run, track, score, odds, seconds)
        age_s = (run["now"] - track["start"]) / run["frame_rate"]
        if track["confirmed"] and perspective.teaches(score, age_s):
            perspective.learn(run, known, base, slope, box, seconds)
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] != NOWHERE and detection["track"] < 0 and detection["score"] >= run["birth_score"]:
            odd = perspective.surprise(run, known, base, slope, detection["box"])
            evidence = first(run, log_odds(detection["score"]), doubts(run, detection["overlap"], odd))
            if run["calls"] == 0:  # who is there when a stream begins was there before
                evidence += FIRST_S * run["sight_evidence"]
            _start(work, j, evidence)


@kernel
def _start(work: Work, j: int, evidence: float) -> None:
    """Start a track at detection `j`."""
    run, detection = work.run[0], work.detections[j]
    track = work.table[run["tracks"]]
    run["tracks"] += 1
    track["id"], track["number"] = run["next_id"], 0
    run["next_id"] += 1
    track["class"], track["votes"] = detection["class"], detection["score"]
    track["score"], track["detection"] = detection["score"], j
    track["status"], track["start"], track["last"] = TRACKED, run["now"], run["now"]
    track["confirmed"], track["evidence"] = False, evidence
    z = measurement(detection["box"], XYWH)
    p, v = _noise(run, detection, z[3]), run["start_velocity_noise"] * z[3] / run["frame_rate"]
    start(track, z, (p, p, p, p), (v, v, 0.0, 0.0))
    write_box(track, XYWH)
    standing.begin(track, detection["score"])
    _confirm(run, track)


@kernel
def _show(work: Work, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> int:
    """Write the confirmed tracks seen now or within `coast_s` to the output arrays; how many there are."""
    run, shown = work.run[0], 0
    coast = run["coast_s"] * run["frame_rate"]
    if coast > 0.0 and run["frame_rate"] >= _ONE_FRAME:
        coast = max(coast, 1.0)
    for i in range(run["tracks"]):
        track = work.table[i]
        believed = track["confirmed"] and track["evidence"] >= 0.0 and standing.is_shown(run, track)
        if believed and (track["detection"] >= 0 or run["now"] - track["last"] <= coast):
            ids[shown] = track["number"]
            for k in range(4):
                boxes[shown, k] = track["box"][k]
            seen = track["detection"]
            scores[shown] = work.detections[seen]["score"] if seen >= 0 else track["score"]
            classes[shown] = track["class"]
            rows[shown] = seen
            shown += 1
    return shown


@kernel
def _step(work: Work, frames: float, cosines: Any, inputs: None) -> int:
    begin_frame(work.run[0], work.table, frames)
    _predict(work, frames)
    camera_motion.go_on(work, frames)
    pairs, count = _candidates(work)
    camera_motion.follow(work, pairs, count, frames)
    close = _compare(work, pairs)
    _compare_appearance(work, pairs, close, cosines)
    for stage in range(3):
        _match(work, pairs, stage)
    _find_overlaps(work, pairs, close)
    _update(work, frames)
    return count


METHOD = Method(
    name="nanotrack",
    parameters=Parameters,
    step=_step,
    show=_show,
    high="high_score",
    low="low_score",
    # The published algorithm is another one.
    presets={
        "published": Preset(method=nanotrack_published.METHOD, counts_calls=False),
        "reference": Preset(method=nanotrack_published.METHOD),
    },
    track_dtype=track_dtype("nanotrack", _TRACK_FIELDS),
    run_fields=[("shown", "i8"), *standing.RUN_FIELDS, *camera_motion.FIELDS, *perspective.FIELDS],
    shown_id="number",
    id_counter="shown",
    coasts=True,
    predicted_boxes=predicted_with_camera,
    memories=cosine_memories,
    keeps_groups_apart=True,
)
