"""The two networks of the built-in weights."""

from export.train.nanodet import NanoDetPlus
from export.train.osnet import OSNet

__all__ = ["NanoDetPlus", "OSNet"]
