"""A picture made smaller for showing, together with the boxes in it."""

import dataclasses

import cv2
import numpy as np

from edge.types import Image, Tracks


def scaled(image: Image, tracks: Tracks, longest_px: int) -> tuple[Image, Tracks]:
    """A copy of `image` whose longer side is at most `longest_px`, and `tracks` with boxes in its pixels."""
    scale = min(1.0, longest_px / max(image.shape[:2]))
    if scale == 1.0:
        return image.copy(), tracks
    smaller = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return smaller, dataclasses.replace(tracks, boxes_xyxy=tracks.boxes_xyxy * np.float32(scale))
