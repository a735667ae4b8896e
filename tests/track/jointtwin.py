"""JointTrackNet's association as its description reads, with NumPy, lists and SciPy, one frame after another."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from edge import Detections
from edge.track.methods.jointtrack import Parameters

Array = npt.NDArray[Any]


class JointTwin:
    """Ids of every frame's detections, -1 where nothing is shown; `misses` is how many in a row a track survives."""

    def __init__(self, parameters: Parameters, misses: int, *, strict: bool, by_offsets: bool = False) -> None:
        self.p, self.misses, self.strict, self.by_offsets = parameters, misses, strict, by_offsets
        self.tracks: list[dict[str, Any]] = []
        self.next_id = 1

    def update(self, detections: Detections) -> Array:
        d, n = detections, len(detections)
        assert d.centres is not None
        assert d.offsets is not None
        assert d.embeddings is not None
        assert d.classes is not None
        limit = np.float32(self.p.track_thresh)
        usable = np.flatnonzero(d.scores > limit if self.strict else d.scores >= limit).tolist()
        boxes, units = d.boxes_xyxy.astype(np.float64), d.embeddings.astype(np.float64)
        units = units / np.linalg.norm(units, axis=1, keepdims=True)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        origins = (d.centres + d.offsets).astype(np.float64)
        gaps, costs = np.full((n, len(self.tracks)), np.inf), np.full((n, len(self.tracks)), 2.0)
        for i in usable:
            for k, track in enumerate(self.tracks):
                gap = ((origins[i] - track["centre"]) ** 2).sum()
                if gap <= min(area[i], track["area"]) and d.classes[i] == track["class"]:
                    gaps[i, k] = gap
                    mean = track["mean"] / np.linalg.norm(track["mean"])
                    costs[i, k] = max(0.0, 1 - units[i] @ mean)
        matches = self._nearest(gaps, d.scores) if self.by_offsets else self._least(costs)
        result, born = np.full(n, -1), []
        for i in usable:
            new = {"box": boxes[i], "area": area[i], "centre": d.centres[i].astype(np.float64), "missed": 0}
            if i in matches:
                track = self.tracks[matches[i]]
                track |= new | {"mean": self._smoothed(track["history"], units[i])}
                result[i] = track["id"]
            else:
                history: list[Array] = []
                mean = self._smoothed(history, units[i])
                born.append(new | {"id": self.next_id, "class": d.classes[i], "history": history, "mean": mean})
                self.next_id += 1
        matched, kept = set(matches.values()), []
        for k, track in enumerate(self.tracks):
            track["missed"] += k not in matched
            if track["missed"] <= self.misses:
                kept.append(track)
        self.tracks = kept + born
        return result

    def _smoothed(self, history: list[Array], new: Array) -> Array:
        history.append(new)
        del history[:-20]
        history[-1] = np.mean(history, axis=0)
        return history[-1]

    def _least(self, costs: Array) -> dict[int, int]:
        rows, columns = linear_sum_assignment(np.minimum(costs - self.p.match_thresh, 0))
        return {i: k for i, k in zip(rows.tolist(), columns.tolist(), strict=True) if costs[i, k] < self.p.match_thresh}

    def _nearest(self, gaps: Array, scores: Array) -> dict[int, int]:
        matches: dict[int, int] = {}
        for i in np.argsort(-scores, kind="stable").tolist():
            free = [k for k in range(gaps.shape[1]) if k not in matches.values() and np.isfinite(gaps[i, k])]
            if free:
                matches[i] = min(free, key=lambda k: gaps[i, k])
        return matches
