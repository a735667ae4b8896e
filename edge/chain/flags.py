"""The flags of commands that track recordings: the method, appearance, what to follow, and how the networks run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from edge.chain.appearance import appearance_of
from edge.detect import flags
from edge.errors import UsageError
from edge.infer.backend import BackendName
from edge.track.appearance import Appearance
from edge.track.registry import BUILT_IN, PEERS

if TYPE_CHECKING:
    from edge.chain.interval import Every

_USUAL_SHARE = 0.5
_POLICIES = ("always", "auto", "never")  # those of `edge.reid.stage`, which loads the compiler


def add(parser: argparse.ArgumentParser) -> None:
    """Declare them, those of `edge.detect.flags` last."""
    parser.add_argument(
        "--tracking-method",
        default="nanotrack",
        metavar="NAME",
        help=f"{', '.join((*BUILT_IN, *PEERS))}, or one of your own as module:NAME; default: nanotrack",
    )
    parser.add_argument(
        "--preset", default="default", metavar="NAME", help="default, reference, or one of the method's"
    )
    parser.add_argument(
        "--appearance", choices=get_args(Appearance), help="how tracks remember embeddings; default: the method's own"
    )
    parser.add_argument(
        "--reid-model",
        type=Path,
        metavar="PACK|FILE.onnx",
        help="appearance network; default: the one in --model's pack. Alone it means --appearance ema",
    )
    parser.add_argument(
        "--reid",
        default="auto",
        choices=_POLICIES,
        help="which detections get an embedding; default: auto, those where it may decide",
    )
    parser.add_argument(
        "--conf", type=float, metavar="F", help="lowest score of a detection to track; default: the pack's, 0.1"
    )
    parser.add_argument(
        "--detect-every",
        type=every,
        default=1,
        metavar="N|auto",
        help="detect on every N-th frame, or (auto) where needed, and predict on the others",
    )
    parser.add_argument(
        "--detect-budget",
        type=float,
        metavar="F",
        help="share of frames, 0 to 1, that --detect-every auto detects on; default: 0.5",
    )
    parser.add_argument(
        "--classes",
        default="person",
        metavar="A,B,...",
        help="classes to track; A+B joins classes that the detector may confuse; default: person",
    )
    backends = get_args(BackendName)
    parser.add_argument(
        "--backend", default="auto", choices=backends, metavar="NAME", help=f"{', '.join(backends)}; default: auto"
    )
    parser.add_argument(
        "--variant", default="auto", choices=("auto", "fp32", "int8"), help="default: auto, the fastest that is right"
    )
    parser.add_argument(
        "--require", metavar="SPEC", help="end with an error unless this rung (as onnxruntime-int8) or backend runs"
    )
    flags.add(parser)


def check(args: argparse.Namespace) -> None:
    """Refuse numbers out of range. Raises UsageError."""
    interval = None if args.detect_every == "auto" else args.detect_every
    check_ranges(
        ("--conf", args.conf, 0, 1),
        ("--detect-every", interval, 1, 100),
        ("--detect-budget", args.detect_budget, 0.01, 1),
    )
    if args.detect_budget is not None and args.detect_every != "auto":
        raise UsageError("--detect-budget belongs to --detect-every auto; add that, or leave it out")


def check_ranges(*flags_: tuple[str, float | None, float, float]) -> None:
    """Refuse values out of range; each item is a flag, its value or None, the lowest and the highest it may be."""
    for name, value, low, high in flags_:
        if value is not None and not low <= value <= high:
            raise UsageError(f"{name} {value}: expected a number from {low} to {high}")


def options(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, as keyword arguments of `edge.chain.pipeline.Pipeline`."""
    return {
        "method": args.tracking_method,
        "preset": args.preset,
        "appearance": appearance(args),
        "reid_model": args.reid_model,
        "reid": args.reid,
        "classes": names(args.classes),
        "floor": args.conf,
        "backend": args.backend,
        "variant": args.variant,
        "require": args.require,
        "detect_every": args.detect_every,
        **({"detect_budget": budget(args)} if args.detect_every == "auto" else {}),
        "overrides": flags.overrides(args),
    }


def every(text: str) -> "Every":
    """A detect interval: a number of frames, or "auto"."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of frames or auto, found {text!r}") from None


def budget(args: argparse.Namespace) -> float:
    """The share of frames that --detect-every auto detects on."""
    return _USUAL_SHARE if args.detect_budget is None else float(args.detect_budget)


def appearance(args: argparse.Namespace) -> str | None:
    """How embeddings are remembered, see `edge.chain.appearance`."""
    return appearance_of(args.tracking_method, args.preset, args.appearance, bool(args.reid_model))


def names(text: str) -> list[str]:
    """The names in "a, b"."""
    return [name.strip() for name in text.split(",")]
