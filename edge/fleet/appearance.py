"""What a camera adds to all embeddings is taken out of them: its light, colours and angle, and what all people share.

Each camera's mean embedding is subtracted, as in camera-aware re-identification (Zhuang et al., "Rethinking the
Distribution Gap of Person Re-identification with Camera-Based Batch Normalization", ECCV 2020). A camera that has seen
few people has the mean of all cameras, and that of a fleet that has seen few is near 0.
"""

import numpy as np

from edge.types import Float32s, Int64s

# A camera's mean has the mean of all as so many further tracklets, and that one has so many zeros.
PRIOR_CAMERA, PRIOR_FLEET = 10.0, 20.0


def centred(embeddings: Float32s, cameras: Int64s) -> Float32s:
    """The directions in which `embeddings` `[T, E]` differ from the mean of their `cameras` `[T]`, of length 1."""
    if not len(embeddings):
        return embeddings
    directions = unit(embeddings)
    sums = np.zeros((int(cameras.max()) + 1, directions.shape[1]), np.float32)
    np.add.at(sums, cameras, directions)
    counts = np.bincount(cameras, minlength=len(sums)).astype(np.float32)[:, None]
    fleet = directions.sum(0) / np.float32(PRIOR_FLEET + len(directions))
    means = (sums + np.float32(PRIOR_CAMERA) * fleet) / (counts + np.float32(PRIOR_CAMERA))
    return unit(directions - means[cameras])


def unit(vectors: Float32s) -> Float32s:
    """`vectors` `[..., E]` with length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), np.float32)
