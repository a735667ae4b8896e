"""QDTrack's association as its description reads, with NumPy and lists, one frame after another."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge import Detections
from edge.track.methods.qdtrack import Parameters
from tests.track.twins import iou_matrix

Array = npt.NDArray[Any]
_EPSILON = 1e-6  # of TAO's softmax


class QdTwin:
    """Ids of every frame's detections, -1 for none."""

    def __init__(self, parameters: Parameters, lost_frames: float, momentum: float = 0.2) -> None:
        self.p, self.lost_frames, self.momentum = parameters, lost_frames, momentum
        self.tracks: list[dict[str, Any]] = []
        self.backdrops: list[tuple[Array, int]] = []
        self.frame = 0
        self.next_id = 1

    def update(self, detections: Detections) -> Array:
        p = self.p
        self.frame += 1
        self.tracks = [t for t in self.tracks if self.frame - t["last"] <= self.lost_frames]
        boxes = detections.boxes_xyxy.astype(np.float64)
        vectors, scores = detections.embeddings, detections.scores
        assert vectors is not None
        assert detections.classes is not None
        if p.tao:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        order = np.argsort(-scores, kind="stable")
        ious = iou_matrix(boxes, boxes, 0.0)
        obj, init = np.float32(p.obj_thresh), np.float32(p.init_thresh)
        kept = []
        for k, i in enumerate(order):
            limit = p.backdrop_iou if scores[i] < obj else p.duplicate_iou
            if not (ious[i, order[:k]] > limit).any():
                kept.append(i)
        ids = self._match(kept, vectors, scores, detections.classes, obj)
        for k, i in enumerate(kept):
            if ids[k] == -1 and scores[i] > init and self._make_room(ids):
                ids[k] = self.next_id
                self.next_id += 1
        for k, i in enumerate(kept):
            if ids[k] >= 0:
                self._store(int(ids[k]), vectors[i], int(detections.classes[i]))
        self.backdrops = []
        for k, i in enumerate(kept):
            if ids[k] == -1 and not (ious[i, kept[:k]] > p.backdrop_iou).any():
                self.backdrops.append((vectors[i], int(detections.classes[i])))
        self.backdrops = self.backdrops[: p.backdrops]
        result = np.full(len(scores), -1)
        result[kept] = np.maximum(ids, -1)
        return result

    def _match(self, kept: list[Any], vectors: Array, scores: Array, classes: Array, obj: np.float32) -> Array:
        p, ids = self.p, np.full(len(kept), -1)
        memory = [(t["vector"], t["class"], t["id"]) for t in self.tracks] + [(*b, -1) for b in self.backdrops]
        if not kept or not memory:
            return ids
        raw = np.array([vectors[i] for i in kept]) @ np.array([m[0] for m in memory]).T
        same = np.array([[m[1] == classes[i] for m in memory] for i in kept])
        mine = same if p.tao and p.same_class else np.ones_like(same)
        logits = p.logit_scale * raw.astype(np.float64)
        power = np.exp(logits - logits.max()) * mine
        tiny = _EPSILON * np.exp(-logits.max())
        score = (power / (power.sum(1, keepdims=True) + tiny) + power / (power.sum(0) + tiny)) / 2
        if p.tao:
            score = (score + raw) / 2
        if p.same_class:
            score[~same] = 0
        score[raw < p.least_cosine] = 0
        for k, i in enumerate(kept):
            j = int(np.argmax(score[k]))
            if score[k, j] > p.match_thresh and memory[j][2] > -1:
                if scores[i] > obj:
                    ids[k] = memory[j][2]
                    score[:, j] = 0
                elif score[k, j] > p.low_match_thresh:
                    ids[k] = -2
        return ids

    def _make_room(self, ids: Array) -> bool:
        """Whether a track more fits, after the one unseen for longest went, if need be."""
        born = len({i for i in ids if i >= 0} - {t["id"] for t in self.tracks})
        if len(self.tracks) + born < self.p.capacity:
            return True
        unseen = [t for t in self.tracks if t["id"] not in ids]
        if not unseen:
            return False
        self.tracks.remove(min(unseen, key=lambda t: t["last"]))
        return True

    def _store(self, id_: int, vector: Array, class_: int) -> None:
        for track in self.tracks:
            if track["id"] == id_:
                track["vector"] = self.momentum * track["vector"] + (1 - self.momentum) * vector
                if self.p.tao:
                    track["vector"] = track["vector"] / np.linalg.norm(track["vector"])
                track["class"], track["last"] = class_, self.frame
                return
        self.tracks.append({"id": id_, "vector": vector.astype(np.float64), "class": class_, "last": self.frame})
