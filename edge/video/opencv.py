"""OpenCV for reading and writing pictures and videos, without its own talk on standard error.

FFmpeg reports every broken packet there; what matters is said once, by our own errors. The settings are read when
OpenCV opens its first file, hence before the import, and a user's own win.
"""

import os

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

import cv2

__all__ = ["cv2"]
