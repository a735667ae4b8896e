"""Appearance of tracks: memories of embeddings, re-entry, which detections need an embedding."""
