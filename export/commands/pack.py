"""Turn a NanoDet checkpoint and, if given, an OSNet checkpoint into a model pack.

No PyTorch is needed and nothing in a checkpoint is executed. An ONNX file is taken as it is.
"""

import argparse
import sys
import time
from pathlib import Path

from edge import modelpack
from export import networks, pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("--detector", type=Path, required=True, metavar="FILE", help=".pth, .pt, .ckpt or .onnx")
    parser.add_argument("--reid", type=Path, metavar="FILE", help="appearance network, .pth, .pt, .ckpt or .onnx")
    parser.add_argument(
        "--input-size", type=_size, metavar="WxH", help="of the detector, multiples of 32 (default: 416x416)"
    )
    parser.add_argument(
        "--class-names", type=_names, metavar="A,B,...", help="names of the detector's classes (default: COCO's for 80)"
    )
    parser.add_argument("--classes", type=_names, metavar="A,B,...", help="keep these classes only, which is faster")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.pack", help="the pack, a folder")
    parser.add_argument("--licence", metavar="TEXT", help="of the weights; the pack's manifest keeps it")
    parser.add_argument("--force", action="store_true", help="replace an existing pack")


def run(args: argparse.Namespace) -> None:
    """Write the pack."""
    start_s = time.perf_counter()
    detector = networks.detector(args.detector, args.input_size, args.class_names, args.classes)
    reid = networks.reid(args.reid) if args.reid else None
    pack.write(args.output, detector, reid, licence=args.licence, force=args.force)
    written = modelpack.read(args.output)
    parts = [written.detector.source.architecture, *([written.reid.source.architecture] if written.reid else [])]
    sys.stdout.write(f"{args.output}: {' and '.join(parts)}, in {time.perf_counter() - start_s:.1f} s\n")


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 416x416, found {text!r}") from None
    return width, height


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
