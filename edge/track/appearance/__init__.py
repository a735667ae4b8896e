"""Appearance of tracks: memories of embeddings, re-entry, which detections need an embedding."""

from typing import Literal

# How embeddings are remembered, see `edge.track.appearance.memory`.
Appearance = Literal["none", "ema", "sasm"]
