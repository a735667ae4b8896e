"""The association core: compiled, pure, no I/O, no clock, no OpenCV. One method a file, on shared kernels."""
