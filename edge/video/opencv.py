"""OpenCV for reading and writing pictures and videos, without its own talk on standard error.

FFmpeg reports every broken packet there; what matters is said once, by our own errors. A user's own settings win.
"""

import os

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when the first file is opened

import cv2
from cv2.utils import logging

if "OPENCV_LOG_LEVEL" not in os.environ:  # which was read at the first import, wherever that was
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)

__all__ = ["cv2"]
