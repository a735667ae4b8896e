"""Measurements, each a command that writes its own section of the results."""

import os

# Before NumPy is imported: what is measured is one core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
