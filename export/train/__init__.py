"""Training of the built-in weights on frames of the built-in scene (extra `[train]`: PyTorch)."""
