"""NanoTrack, our default: the modules of the published method by name and purpose, each working with evidence.

Refind: detections of low score continue tracks, lost ones too where they are about as good as the track's own past.
Recycle: any detection may start a track, which is shown once there is evidence for it. Check duplicates: evidence
counts less on top of known objects. Depth: the lower edge tells who is in front, and how tall one should be there.

A frame: predict; shift all by the camera's motion; match in three stages; update; gather evidence; start tracks. All
lengths are relative to the box, all times in seconds. The published algorithm is in nanotrack_published.py.
"""

import math
from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track import state
from edge.track.appearance.memory import UNKNOWN, cosine_memories
from edge.track.evidence import FIRST_S, doubts, first, gained
from edge.track.lifecycle import are_apart, begin_frame, vote
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import Records, iou, overlapping, sort_spans, span
from edge.track.matching.similarity import returning, similarity, worth
from edge.track.method import Method, Preset
from edge.track.methods import nanotrack_published
from edge.track.motion import camera_motion, perspective
from edge.track.motion.kalman import XYWH, correct, measurement, predict, start, write_box
from edge.track.motion.prediction import predicted_with_camera
from edge.track.parameters import ReentryParameters, number
from edge.track.state import HIGH, LOST, LOW, NOWHERE, REMOVED, TRACKED, Work, track_dtype

_FIRST, _SECOND, _THIRD = range(3)  # stages
_LEAST_SHRINK = 1e-3  # no box may shrink to less than this fraction in one correction


@dataclass(frozen=True)
class Parameters(ReentryParameters):
    """All were tuned on one half of the sequences and judged by the other; docs/results has each one's effect.

    Scores are taken for probabilities. Noise is in box heights (h), with score 1 where it depends on the score.

    `high_score`: detections from here on are matched first. `low_score`: the least used at all.
    `birth_score`: least score of a track's first detection, and of one that speaks for the camera.
    `similarity_floor`: least score^2 * similarity of a match; `similarity_enough`: a similarity that always is.
    `revive_ratio`: a low detection revives a lost track from this fraction of the track's running score on.
    `absence_s`: how long someone with score 1 must be gone for the similarity to halve; see similarity.py.
    `continuity`: weight of the jump from the running score in the similarity; `score_memory_s`: time constant of that.
    `feet_tolerance`: offset of the lower edge, in h, that halves the similarity; inf to ignore it.
    `position_noise` h/sqrt(s), `velocity_noise` h/s/sqrt(s): how freely objects move; `measurement_noise` h: of boxes.
    `score_noise`, `overlap_noise`: measurement noise is (1 + this * (1 - score)) and (1 + this * overlap) times that.
    `start_velocity_noise` h/s: how fast objects move, as a standard deviation, when they are first seen.
    `camera_noise` h: how far single objects stray from the camera's motion; 0 for a camera that never moves.
    `camera_reach`: how far pairs are sought for it, in box sizes beyond every side.
    `confirm_evidence`, `drop_evidence`: log-odds at which a track is confirmed, or given up; a confirmed one is shown
    from 0 on. `most_evidence`: no more is kept, so that what turns out to be clutter goes again within seconds.
    `score_evidence`: per second and unit of log-odds of the score; `sight_evidence`: per second of being seen at all.
    `overlap_evidence`, `height_evidence`: per second and unit of overlap or odd height, against new tracks.
    `known_overlap_evidence`: per second and unit of overlap, against confirmed tracks, lest second boxes stay.
    `lost_s`: how long a confirmed track is kept unseen; `new_s`: how long one that is not.
    `coast_s`: how long a confirmed track is shown unseen, at its predicted place.
    `appearance_weight`: with appearance, what a pair loses of its similarity if its embeddings have the cosine of two
    people, `other_cosine`, or less; more alike ones cost less (docs/results: half of all pairs of people have
    a cosine of .5).
    """

    high_score: float = number(0.3, 0, 1)
    low_score: float = number(0.1, 0, 1)
    birth_score: float = number(0.25, 0, 1)
    similarity_floor: float = number(0.1, 0, 1)
    similarity_enough: float = number(0.5, 0, 1)
    revive_ratio: float = number(0.3, 0, 100)
    absence_s: float = number(2, 1e-6, math.inf)
    continuity: float = number(0.35, 0, 1)
    score_memory_s: float = number(0.15, 1e-6, 1e6)
    feet_tolerance: float = number(0.26, 1e-6, math.inf)
    position_noise: float = number(0.274, 0, 1e6)
    velocity_noise: float = number(1.03, 0, 1e6)
    measurement_noise: float = number(0.04, 1e-6, 1e6)
    score_noise: float = number(4, 0, 1e6)
    overlap_noise: float = number(1, 0, 1e6)
    start_velocity_noise: float = number(1.2, 0, 1e6)
    camera_noise: float = number(0.04, 0, 1e6)
    camera_reach: float = number(0.15, 0, 10)
    confirm_evidence: float = number(1, -1e6, 1e6)
    drop_evidence: float = number(-2, -1e6, 1e6)
    most_evidence: float = number(3, -1e6, 1e6)
    score_evidence: float = number(12, 0, 1e6)
    sight_evidence: float = number(14, 0, 1e6)
    overlap_evidence: float = number(39, 0, 1e6)
    known_overlap_evidence: float = number(12, 0, 1e6)
    height_evidence: float = number(7.5, 0, 1e6)
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
    *((name, state.TRACK[name]) for name in state.TRACK.names or ()),
]


@kernel
def _predict(work: Work, frames: float) -> None:
    """Move the centres on; sizes stay and grow less certain."""
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
    reach, tracks, usable = run["camera_reach"], run["tracks"], 0
    for i in range(tracks):
        span(spans[0][i], i, camera_motion.widened(work.table[i]["box"], reach), 0.0)
    for j in range(work.n):
        if work.detections[j]["pool"] != NOWHERE:
            span(spans[1][usable], j, camera_motion.widened(work.detections[j]["box"], reach), 0.0)
            usable += 1
    sort_spans(spans[0], tracks, spans[2], run["digits"])
    sort_spans(spans[1], usable, spans[2], run["digits"])
    pairs, count = overlapping(spans[0], tracks, spans[1], usable, 0.0, 0.0, work.pairs[0])
    arrange(pairs, count, work.pairs[1], work.nodes[0], tracks, work.nodes[1], work.n)
    return pairs, count


@kernel
def _compare(work: Work, pairs: Records) -> int:
    """Keep the pairs whose boxes overlap unwidened, with that IoU and their similarity; how many there are."""
    run, rows, kept = work.run[0], work.nodes[0], 0
    for i in range(run["tracks"]):
        track, first = work.table[i], kept
        left = returning(run, track) if track["status"] == LOST else 1.0
        for p in range(rows[i]["start"], rows[i + 1]["start"]):
            j = pairs[p]["column"]
            detection = work.detections[j]
            overlap = iou(track["box"], detection["box"], 0.0)
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
    """Lower the similarity of pairs that look different. `cosines` has a row a track of the frame's start, or none."""
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
    """What matching is worth in a stage, 0 or less where it is not allowed."""
    score = detection["score"]
    if stage == _FIRST:
        return worth(run, alike, score) if track["confirmed"] and detection["pool"] == HIGH else 0.0
    if stage == _SECOND:
        lost = track["confirmed"] and track["status"] == LOST
        if detection["pool"] != LOW or (lost and score < run["revive_ratio"] * track["score"]):
            return 0.0
        return worth(run, alike, score)
    return 0.0 if track["confirmed"] else alike


@kernel
def _match(work: Work, pairs: Records, stage: int) -> None:
    """Match what is still free: confirmed tracks with high, all with low, new tracks with all detections."""
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
    """Move the track to its detection: the less, the lower its score and the more it is overlapped."""
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
    """Update the matched tracks, gather evidence, drop the hopeless, start tracks."""
    run, table, detections = work.run[0], work.table, work.detections
    seconds, before = frames / run["frame_rate"], run["tracks"]
    known, base, slope = perspective.line(run)
    perspective.forget(run, seconds)
    step = 1.0 - math.exp(-seconds / run["score_memory_s"])
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
        odd = 0.0 if track["confirmed"] else perspective.surprise(run, known, base, slope, box)
        doubt = doubts(run, track["confirmed"], detection["overlap"], odd)
        track["evidence"] = min(track["evidence"] + gained(run, score, doubt, seconds), run["most_evidence"])
        _correct(run, track, detection)
        vote(track, detection)
        _confirm(run, track)
        track["score"] += step * (score - track["score"])
        track["status"], track["last"] = TRACKED, run["now"]
        if track["evidence"] < run["drop_evidence"]:
            track["status"] = REMOVED
        age_s = (run["now"] - track["start"]) / run["frame_rate"]
        if track["confirmed"] and perspective.teaches(score, age_s):
            perspective.learn(run, known, base, slope, box, seconds)
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] != NOWHERE and detection["track"] < 0 and detection["score"] >= run["birth_score"]:
            odd = perspective.surprise(run, known, base, slope, detection["box"])
            evidence = first(run, detection["score"], doubts(run, False, detection["overlap"], odd))
            if run["calls"] == 0:  # whoever is there when a stream begins was there before
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
    _confirm(run, track)


@kernel
def _show(work: Work, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> int:
    """Write the confirmed, rather real than not, seen now or a moment ago to the output arrays; how many there are."""
    run, shown = work.run[0], 0
    coast = run["coast_s"] * run["frame_rate"]
    for i in range(run["tracks"]):
        track = work.table[i]
        believed = track["confirmed"] and track["evidence"] >= 0.0
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
    run_fields=[("shown", "i8"), *camera_motion.FIELDS, *perspective.FIELDS],
    shown_id="number",
    coasts=True,
    predicted_boxes=predicted_with_camera,
    memories=cosine_memories,
    keeps_groups_apart=True,
)
