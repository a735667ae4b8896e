"""Appearance: crops and embeddings."""
