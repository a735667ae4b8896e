"""The TensorRT backend: engines, their cache and their build."""
