"""From pixels to boxes: preprocessing, decoding, non-maximum suppression."""
