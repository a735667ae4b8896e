"""A pycuda without CUDA, see `driver`."""
