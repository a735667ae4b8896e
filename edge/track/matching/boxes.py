"""Which boxes overlap, and how much: IoU and the plane-sweep join that finds all overlapping pairs of two sets.

The join sorts both sets by their left edge and sweeps over them, so its cost follows the number of pairs that overlap
horizontally and no N x M matrix exists. Boxes are float64 `(x1, y1, x2, y2)`.

`margin` is what is added to every width and height before areas are taken: 0 for plain IoU, 1 for the convention of
ByteTrack, SparseTrack and NanoTrack, whose boxes include their last pixel.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uint64

from edge.kernels.jit import kernel

Records = npt.NDArray[Any]  # a structured array; its dtype is named in each docstring

# A box in a sweep. `left` and `right` order it horizontally as integers: the sign-corrected bits of the edge rounded to
# float32. Rounding keeps the order, so the sweep meets every overlapping pair; exact coordinates decide afterwards.
SPAN = np.dtype([("left", "u4"), ("right", "u4"), ("row", "i8"), ("box", "f8", (4,))], align=True)

# A pair of boxes: its rows in the two sets; its IoU; its similarity by what the method compares beside the IoU, -1
# where that says nothing; and what a stage gains by matching it (see assignment.py).
PAIR = np.dtype([("row", "i4"), ("column", "i4"), ("iou", "f8"), ("similarity", "f8"), ("gain", "f8")], align=True)

MOST_PAIRS = 1 << 20  # of one join: a thousand boxes in one spot make as many

DIGITS = 257  # where each of 256 byte values starts, and the end
_SMALL = 24  # up to here insertion sort is faster than four radix passes


@kernel
def iou(a: Any, b: Any, margin: float) -> float:
    """Intersection over union of two boxes, 0 where they do not overlap; -1 where not even their edges touch."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + margin
    height = min(a[3], b[3]) - max(a[1], b[1]) + margin
    if width < 0.0 or height < 0.0:
        return -1.0
    intersection = width * height
    if intersection == 0.0:
        return 0.0
    area_a = (a[2] - a[0] + margin) * (a[3] - a[1] + margin)
    area_b = (b[2] - b[0] + margin) * (b[3] - b[1] + margin)
    return intersection / (area_a + area_b - intersection)


@kernel
def span(record: Any, row: int, box: Any, margin: float) -> None:
    """Make the SPAN `record` the box of `row`."""
    record["left"] = _order_key(box[0])
    record["right"] = _order_key(box[2] + margin)
    record["row"] = row
    for k in range(4):
        record["box"][k] = box[k]


@kernel
def _order_key(x: float) -> np.uint32:
    bits = np.float32(x).view(np.uint32)
    return ~bits if bits >> np.uint32(31) else bits | np.uint32(0x80000000)


@kernel
def sort_spans(spans: Records, count: int, scratch: Records, digits: Any) -> None:
    """Sort the first `count` SPANs by `left`, equal ones in their given order.

    `scratch` (SPAN, as many) and `digits` (DIGITS integers) are working space.
    """
    if count > _SMALL:
        for shift in range(0, 32, 16):
            _radix_pass(spans, scratch, count, np.uint32(shift), digits)
            _radix_pass(scratch, spans, count, np.uint32(shift + 8), digits)
        return
    for i in range(1, count):
        scratch[0] = spans[i]
        left = scratch[0]["left"]
        j = i
        while j > 0 and spans[j - 1]["left"] > left:
            spans[j] = spans[j - 1]
            j -= 1
        spans[j] = scratch[0]


@kernel
def _radix_pass(source: Records, target: Records, count: int, shift: np.uint32, starts: Any) -> None:
    starts[:] = 0
    for i in range(count):
        starts[((source[i]["left"] >> shift) & np.uint32(255)) + 1] += 1
    for digit in range(1, 256):
        starts[digit] += starts[digit - 1]
    for i in range(count):
        digit = (source[i]["left"] >> shift) & np.uint32(255)
        target[starts[digit]] = source[i]
        starts[digit] += 1


@kernel
def overlapping(a: Records, n_a: int, b: Records, n_b: int, margin: float, floor: float, pairs: Records) -> Any:
    """All pairs of two sorted sets of SPANs with an IoU above `floor`: (PAIR records, how many).

    With `floor` -1 boxes whose edges only touch count too, at IoU 0. The order is that of the sweep. The records are
    those of `pairs`, or of a new array of twice the need where `pairs` is too short. There are never more than
    MOST_PAIRS: of a heap with more those that the sweep meets first.
    """
    count = _sweep(a, n_a, b, n_b, margin, floor, pairs)
    if count > len(pairs) and len(pairs) < MOST_PAIRS:
        pairs = np.empty(min(2 * count, MOST_PAIRS), PAIR)
        _sweep(a, n_a, b, n_b, margin, floor, pairs)
    return pairs, min(count, len(pairs))


@kernel
def _sweep(a: Records, n_a: int, b: Records, n_b: int, margin: float, floor: float, pairs: Records) -> int:
    # Whichever box starts first meets all boxes of the other set that start before it ends. Few of those are as high in
    # the picture: that is looked at first. Indices of type uint64 are not looked at, whether they count from the end.
    room = len(pairs)
    count = 0
    i, j, end_a, end_b = uint64(0), uint64(0), uint64(n_a), uint64(n_b)
    while i < end_a and j < end_b:
        if a[i]["left"] <= b[j]["left"]:
            one, k = a[i], j
            right, top, bottom = one["right"], one["box"][1], one["box"][3]
            while k < end_b and b[k]["left"] <= right:
                other = b[k]["box"]
                if min(bottom, other[3]) - max(top, other[1]) + margin >= 0.0:
                    value = iou(one["box"], other, margin)
                    if value > floor:
                        if count < room:
                            _write(pairs[count], one["row"], b[k]["row"], value)
                        count += 1
                k += uint64(1)
            i += uint64(1)
        else:
            one, k = b[j], i
            right, top, bottom = one["right"], one["box"][1], one["box"][3]
            while k < end_a and a[k]["left"] <= right:
                other = a[k]["box"]
                if min(bottom, other[3]) - max(top, other[1]) + margin >= 0.0:
                    value = iou(other, one["box"], margin)
                    if value > floor:
                        if count < room:
                            _write(pairs[count], a[k]["row"], one["row"], value)
                        count += 1
                k += uint64(1)
            j += uint64(1)
    return count


@kernel
def _write(pair: Any, row: int, column: int, value: float) -> None:
    pair["row"] = row
    pair["column"] = column
    pair["iou"] = value
    pair["similarity"] = -1.0
