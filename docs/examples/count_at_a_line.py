"""How many people cross a horizontal line, in each direction: the feet count, the lower edge of a box.

python count_at_a_line.py street.mp4 person.pack 240
"""

import sys

from edge import tracked

if len(sys.argv) != 4:
    sys.exit(__doc__)
source, model, height = sys.argv[1:]
line = float(height)
below: dict[int, bool] = {}  # identity -> on which side of the line it was last
down = up = 0
for _, tracks in tracked(source, model):
    for track in tracks:
        now = track.box_xyxy[3] > line
        before = below.setdefault(track.id, now)
        down += now and not before
        up += before and not now
        below[track.id] = now
print(f"{down} went down across {line:g}, {up} went up")
