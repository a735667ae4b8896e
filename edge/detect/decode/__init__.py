"""Compiled decoders: a network's output buffers into candidate boxes, floor first, one module a layout."""
