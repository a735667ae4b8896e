"""The flags of commands that take a detector as an ONNX file: which family it is, and how its pictures are prepared."""

import argparse
from fractions import Fraction
from typing import get_args

from edge.detect.adopt import Overrides, Triple
from edge.detect.classes import NAMED_SETS
from edge.modelpack import Colour, Resize

_RESIZES = [name for name in get_args(Resize) if name != "centre"]  # `centre` is joint networks' own


def add(parser: argparse.ArgumentParser, *, with_names: bool = True) -> None:
    """Declare them, in a group of their own; without --input-size and --class-names for a command that has those."""
    group = parser.add_argument_group(
        "detector in an ONNX file",
        "How to read the file and prepare its pictures, where the file does not show it\nor differs from its family."
        " The network gets (pixel * scale - mean) / std\nof pixels of 0..255. A pack keeps the answers.",
    )
    group.add_argument(
        "--family", metavar="NAME", help="family of detectors, as yolox; or module:FAMILY for one of your own"
    )
    if with_names:
        group.add_argument(
            "--input-size", type=size, metavar="WxH", help="size of the input, where the file leaves it open"
        )
        group.add_argument(
            "--class-names",
            type=names,
            metavar="A,B,...",
            help="names of the classes, in order; coco: its 80, coco91: by annotation number",
        )
    group.add_argument(
        "--resize",
        choices=_RESIZES,
        metavar="NAME",
        help=f"{', '.join(_RESIZES)}: squash, or keep the aspect ratio with the picture in the corner or the middle",
    )
    group.add_argument("--pad", type=_grey, metavar="N", help="grey level around a picture in a letterbox, 0 to 255")
    group.add_argument("--colour", choices=get_args(Colour), help="order of the colours")
    group.add_argument(
        "--scale", type=number, metavar="F", help="factor of the pixels, as 1/255; default with --mean or --std: 1"
    )
    group.add_argument("--mean", type=triple, metavar="A,B,C", help="mean of each colour, in the order of --colour")
    group.add_argument("--std", type=triple, metavar="A,B,C", help="deviation of each colour, in the same order")


def overrides(args: argparse.Namespace) -> Overrides:
    """What the flags of `add` say."""
    return Overrides(
        family=args.family,
        input_size=args.input_size,
        class_names=tuple(args.class_names) if args.class_names else None,
        resize=args.resize,
        pad=args.pad,
        colour=args.colour,
        scale=args.scale,
        mean=args.mean,
        std=args.std,
    )


def size(text: str) -> tuple[int, int]:
    """Width and height of "416x320"."""
    try:
        width, height = map(int, text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 416x416, found {text!r}") from None
    return width, height


def names(text: str) -> list[str]:
    """The names in "a,b,c", or those of a known set."""
    return list(NAMED_SETS[text]) if text in NAMED_SETS else [name.strip() for name in text.split(",") if name.strip()]


def number(text: str) -> float:
    """A number or a fraction of two, as 1/255."""
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected a number such as 1 or 1/255, found {text!r}") from None


def _grey(text: str) -> int:
    if not text.isdecimal() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 255, found {text!r}")
    return int(text)


def triple(text: str) -> Triple:
    """Three numbers, as "123.675,116.28,103.53"."""
    parts = text.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"expected three numbers A,B,C, found {text!r}")
    a, b, c = map(number, parts)
    return a, b, c
