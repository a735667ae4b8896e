"""A detector of one's own, here whatever moves before a still background, and the tracker alone.

python own_detector.py street.mp4
"""

import sys

import cv2
import numpy as np

from edge import Detections, Tracker

if len(sys.argv) != 2:
    sys.exit(__doc__)
video = cv2.VideoCapture(sys.argv[1])
rate = video.get(cv2.CAP_PROP_FPS)
background = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
tracker = Tracker("nanotrack", frame_rate=rate)
seen: set[int] = set()
number = 0
while (image := video.read()[1]) is not None:
    moving = cv2.dilate(background.apply(image), np.ones((9, 5), np.uint8))
    outlines, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    ltwh = np.array([cv2.boundingRect(outline) for outline in outlines]).reshape(-1, 4)
    ltwh = ltwh[ltwh[:, 3] > 20]
    boxes = np.hstack([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]])
    tracks = tracker.update(Detections.from_xyxy(boxes, np.full(len(boxes), 0.7)), time_s=number / rate)
    seen.update(tracks.ids.tolist())
    number += 1
print(f"{number} frames, {len(seen)} identities")
