"""Tracks of a camera, a video or a folder of pictures as CSV, a row a box.

python rtsp_to_csv.py rtsp://camera/1 person.pack > tracks.csv
"""

import csv
import sys

from edge import tracked

if len(sys.argv) != 3:
    sys.exit(__doc__)
source, model = sys.argv[1:]
rows = csv.writer(sys.stdout)
rows.writerow(["frame", "time_s", "id", "x1", "y1", "x2", "y2", "score"])
for frame, tracks in tracked(source, model):
    for track in tracks:
        box = track.box_xyxy.round(1).tolist()
        rows.writerow([frame.number, round(frame.time_s, 3), track.id, *box, round(track.score, 3)])
