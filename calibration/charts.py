"""Inline SVG for the report: bars, histograms, pictures side by side. Nothing is loaded from anywhere."""

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
import numpy.typing as npt

from calibration.ranges import BINS, Histogram, Range
from edge.types import Detections, Image

_PLOT_BINS = 128
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 82]
_DRAWN_WIDTH = 800  # pixels, about: of a picture whose labels can be read
_FONT = cv2.FONT_HERSHEY_SIMPLEX, 0.42


def bars(rows: Sequence[tuple[str, float, str]], width: int = 420, chosen: str | None = None) -> str:
    """A table of label, bar and text; bar lengths are relative to the largest magnitude, negative ones hollow.

    The row with the label `chosen` stands out.
    """
    largest = max((abs(value) for _, value, _ in rows), default=0.0) or 1.0
    lines = []
    for label, value, text in rows:
        length = max(1.0, abs(value) / largest * width)
        kind = "bar" if value >= 0 else "bar minus"
        mark = " class=chosen" if label == chosen else ""
        lines.append(
            f"<tr{mark}><td class=name>{escape(label)}</td><td><svg width={width} height=12"
            f" viewBox='0 0 {width} 12' preserveAspectRatio='none'><rect class='{kind}'"
            f" x=0.5 y=1 width={length:.1f} height=10 /></svg></td><td class=number>{escape(text)}</td></tr>"
        )
    return f"<table class=bars>{''.join(lines)}</table>"


def columns(values: Sequence[float], labels: Sequence[str], unit: str, width: int = 1040, height: int = 170) -> str:
    """One thin column for each value, its label as a tooltip, with a scale at the left."""
    top = max(values, default=1.0) or 1.0
    step = (width - 40) / max(len(values), 1)
    parts = [f"<svg class=plot viewBox='0 0 {width} {height}' width={width} height={height}>"]
    for mark in range(10, int(top) + 1, 10):
        y = height - 12 - mark / top * (height - 24)
        parts.append(
            f"<line class=grid x1=38 x2={width} y1={y:.1f} y2={y:.1f} /><text x=34 y={y + 4:.1f}>{mark}</text>"
        )
    for i, (value, label) in enumerate(zip(values, labels, strict=True)):
        tall = max(value, 0) / top * (height - 24)
        parts.append(
            f"<rect class=bar x={40 + i * step:.1f} y={height - 12 - tall:.1f} width={max(step - 1, 0.6):.1f}"
            f" height={tall:.1f}><title>{escape(label)}: {value:.1f} {escape(unit)}</title></rect>"
        )
    parts.append(f"<text x=34 y={height - 4}>0</text></svg>")
    return "".join(parts)


def histogram(counts: Histogram, covered: Range, width: int = 330, height: int = 120) -> str:
    """The distribution on a logarithmic scale, with the two ends of the range that eight bits cover."""
    merged = counts.counts.reshape(_PLOT_BINS, BINS // _PLOT_BINS).sum(1)
    tall = np.log10(1 + merged)
    tall = tall / max(tall.max(), 1e-9) * (height - 30)
    step = width / _PLOT_BINS
    rects = "".join(
        f"<rect class=bar x={i * step:.1f} y={height - 18 - t:.1f} width={step:.2f} height={t:.1f} />"
        for i, t in enumerate(tall)
        if t > 0
    )
    span = counts.high - counts.low
    lines = []
    for value, anchor in zip(covered, ("start", "end"), strict=True):
        x = float(np.clip((value - counts.low) / span, 0, 1)) * width
        lines.append(f"<line class=limit x1={x:.1f} x2={x:.1f} y1=4 y2={height - 18} />")
        # At the two corners: beside the lines, which may be close to each other, labels would overlap.
        place = 0 if anchor == "start" else width
        lines.append(f"<text class=limit x={place} y={height - 4} style='text-anchor:{anchor}'>{value:.2f}</text>")
    return f"<svg class=plot viewBox='0 0 {width} {height}' width={width} height={height}>{rects}{''.join(lines)}</svg>"


def picture(image: Image, alt: str) -> str:
    """A BGR picture as an embedded JPEG."""
    _, data = cv2.imencode(".jpg", image, _JPEG)
    encoded = base64.b64encode(data.tobytes()).decode()
    return f"<img alt='{escape(alt)}' src='data:image/jpeg;base64,{encoded}'>"


def drawn(image: npt.NDArray[np.uint8], found: Detections, floor: float, names: Sequence[str]) -> Image:
    """`image`, enlarged where it is small, with the detections of at least `floor` and their scores, best first.

    Classes are named where there are several. A label that would lie on another one is left out.
    """
    scale = max(1, round(_DRAWN_WIDTH / image.shape[1]))
    canvas = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    classes = found.classes if found.classes is not None else np.zeros(len(found), np.int32)
    shown = [k for k in np.argsort(-found.scores, kind="stable").tolist() if found.scores[k] >= floor]
    several = len(np.unique(classes[shown])) > 1
    colours = [(80, 220, 80) if classes[k] == 0 else (60, 170, 255) for k in shown]
    corners = [[round(float(v) * scale) for v in found.boxes_xyxy[k]] for k in shown]
    for (x1, y1, x2, y2), colour in zip(corners, colours, strict=True):
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1)
    taken = np.zeros(canvas.shape[:2], bool)
    for k, (x1, y1, _, _), colour in zip(shown, corners, colours, strict=True):
        text = f"{names[classes[k]]} {found.scores[k]:.2f}" if several else f"{found.scores[k]:.2f}"
        (width, height), below = cv2.getTextSize(text, *_FONT, 1)
        x, y = max(min(x1 + 2, canvas.shape[1] - width), 0), max(y1 - 4, height + 1)
        place = taken[y - height : y + below, x : x + width]
        if place.any():
            continue
        place[:] = True
        cv2.putText(canvas, text, (x, y), *_FONT, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(canvas, text, (x, y), *_FONT, colour, 1, cv2.LINE_AA)
    return canvas
