"""The `nanotrack-export` command: the workstation's half of the chain."""

import sys
from collections.abc import Sequence

from edge.cli import dispatch

VERBS = {
    "pack": "turn checkpoints or ONNX files into a model pack",
    "inspect": "say what a checkpoint, an ONNX file or a pack holds",
    "train": "fine-tune on your own pictures, or train the built-in networks",
    "verify": "prove that a pack is whole and computes what its manifest says",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `nanotrack-export` command and return its exit code."""
    return dispatch("nanotrack-export", "Make and check model packs.", "export.commands", VERBS, argv, "export")


if __name__ == "__main__":
    sys.exit(main())
