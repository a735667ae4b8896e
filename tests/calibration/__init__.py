"""Calibration: frames, ranges, weights, placement, legality, verdicts."""
