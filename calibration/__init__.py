"""INT8 calibration: which frames, which ranges, which layers stay in float."""
