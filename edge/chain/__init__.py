"""The chain of a frame: picture, detections, appearance, tracks."""
