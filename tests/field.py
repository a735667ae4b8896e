"""What surrounds a daemon in the field, see `benchmarks.field`, and which tests need it."""

import pytest

from benchmarks.field import (
    FFMPEG,
    MOSQUITTO,
    OPENSSL,
    PATIENCE_S,
    SYSTEM_PYTHON,
    Broker,
    Manager,
    RtspCamera,
    Served,
    SmallDisk,
    free_port,
    has_gstreamer,
    make_certificate,
    wait_for,
)

__all__ = [
    "FFMPEG",
    "MOSQUITTO",
    "OPENSSL",
    "PATIENCE_S",
    "SYSTEM_PYTHON",
    "Broker",
    "Manager",
    "RtspCamera",
    "Served",
    "SmallDisk",
    "free_port",
    "has_gstreamer",
    "make_certificate",
    "needs_ffmpeg",
    "needs_mosquitto",
    "wait_for",
]

needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
