"""Our tracks through supervision's annotators: `pip install 'supervision>=0.30'` (older ones bring a second OpenCV).

python with_supervision.py street.mp4 person.pack tracked.mp4
"""

import sys

import supervision as sv

from edge import Detections, Tracker
from edge.detect.open import open_detector

if len(sys.argv) != 4:
    sys.exit(__doc__)
source, model, target = sys.argv[1:]
info = sv.VideoInfo.from_video_path(source)
detector, tracker = open_detector(model), Tracker("nanotrack", frame_rate=info.fps)
box, label = sv.BoxAnnotator(), sv.LabelAnnotator()
with sv.VideoSink(target, info) as sink:
    for number, image in enumerate(sv.get_video_frames_generator(source)):
        found = detector(image)
        theirs = sv.Detections(xyxy=found.boxes_xyxy, confidence=found.scores, class_id=found.classes)
        tracks = tracker.update(Detections.from_supervision(theirs), time_s=number / info.fps)
        shown = tracks.to_supervision(theirs)
        picture = box.annotate(image.copy(), shown)
        sink.write_frame(label.annotate(picture, shown, [str(i) for i in shown.tracker_id]))
