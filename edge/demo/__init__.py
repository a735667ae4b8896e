"""The built-in scene and weights."""
