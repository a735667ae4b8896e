"""How far a network's outputs are from those expected.

Detectors that choose among their own boxes put out lists sorted by score, an order that small errors change. Of a list
only the rows with a high score are compared, each with the one that it should be, wherever that stands.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.modelpack import JOINT_OUTPUTS

Arrays = Mapping[str, npt.NDArray[Any]]
# Those rows of a list count that have at least this share of the best one's score.
CLEAR = 0.5
_MOST_ROWS = 1000  # of a list; more rows are cells, which stay in their places
# Names of outputs with boxes, scores and classes: of D-FINE and torchvision, of TensorFlow.
_NAMES = ("boxes", "scores", "labels"), ("detection_boxes", "detection_scores", "detection_classes")


class _List(NamedTuple):
    """Boxes `[N, 4]`, scores `[N]` and classes `[N]`."""

    boxes: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    classes: npt.NDArray[Any]


def relative_error(found: Arrays, expected: Arrays) -> float:
    """The largest |found - expected| / |expected| over all outputs, norms over the whole array; inf for NaN.

    Of a list of boxes, the rows with a high score are compared with the nearest of their class, and of a joint network
    its strongest peaks, cell by cell.
    """
    if set(JOINT_OUTPUTS) <= set(expected):
        found, expected = _at_peaks(found, expected)
    elif (wanted := _as_list(expected)) and (seen := _as_list(found)):
        found, expected = _by_row(seen, wanted)
    errors = [
        np.linalg.norm((found[name] - array).astype(np.float64)) / max(float(np.linalg.norm(array)), 1e-12)
        for name, array in expected.items()
    ]
    worst = float(np.max(errors))
    return np.inf if np.isnan(worst) else worst


def _as_list(outputs: Arrays) -> _List | None:
    """The list of boxes that outputs are; None where they are something else."""
    for names in _NAMES:
        if set(names) <= set(outputs):
            boxes, scores, classes = (outputs[name] for name in names)
            return _List(boxes.reshape(-1, 4), scores.ravel(), classes.ravel())
    if set(outputs) == {"dets", "labels"} and outputs["dets"].shape[-1] == 5:
        rows = outputs["dets"].reshape(-1, 5)
        return _List(rows[:, :4], rows[:, 4], outputs["labels"].ravel())
    if len(outputs) == 1:
        (array,) = outputs.values()
        if array.ndim == 3 and array.shape[2] == 6 and array.shape[1] <= _MOST_ROWS:
            rows = array.reshape(-1, 6)
            if (rows[:, 5] == np.round(rows[:, 5])).all():
                return _List(rows[:, :4], rows[:, 4], rows[:, 5])
    return None


def _by_row(found: _List, expected: _List) -> tuple[Arrays, Arrays]:
    """Boxes and scores of the expected rows with a high score, and of the found row of the same class that is nearest;
    zeros where there is none, NaN in all where any is found."""
    clear = np.flatnonzero(expected.scores >= CLEAR * expected.scores.max(initial=0))
    wanted = {"boxes": expected.boxes[clear], "scores": expected.scores[clear]}
    seen = {name: np.zeros(array.shape, np.float64) for name, array in wanted.items()}
    for i, row in enumerate(clear):
        same = np.flatnonzero(found.classes == expected.classes[row])
        if len(same):
            nearest = same[np.abs(found.boxes[same] - expected.boxes[row]).sum(1).argmin()]
            seen["boxes"][i], seen["scores"][i] = found.boxes[nearest], found.scores[nearest]
    if not all(np.isfinite(array).all() for array in found):
        seen["boxes"][:] = np.nan
    return seen, wanted


def _at_peaks(found: Arrays, expected: Arrays) -> tuple[Arrays, Arrays]:
    """Of both: the heat map, its values at the strongest expected peaks, and for those found in the same cell edges
    with offsets to the previous frame `[N, 6]` and embeddings; zeros where there is none.

    Of two cells with equal values either may become the peak, so one that moved is compared by its value alone.
    """
    scores = expected["scores"][0]
    rows = np.flatnonzero(scores >= CLEAR * scores.max())
    cells = expected["peaks"][0][rows]
    same = np.all(cells[:, None] == found["peaks"][0], axis=2)
    same &= expected["classes"][0][rows, None] == found["classes"][0]
    a, b = (_of_peaks(arrays, cells, some) for arrays, some in ((found, same.argmax(1)), (expected, rows)))
    there = same.any(1)
    for name in ("geometry", "embeddings"):
        a[name] = a[name][there] if there.any() else np.zeros_like(b[name])
        b[name] = b[name][there] if there.any() else b[name]
    return a, b


def _of_peaks(arrays: Arrays, cells: npt.NDArray[Any], rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    columns, lines = cells.astype(np.int64).T
    heat = arrays["heatmap"]
    geometry = np.concatenate([arrays["edges"][0], arrays["offsets"][0]], 1)
    at_rows = {"geometry": geometry[rows], "embeddings": arrays["embeddings"][0][rows]}
    return {"heatmap": heat, "scores": heat[0, lines, columns], **at_rows}
