"""Turn a detector and, if given, an appearance network into a model pack.

Checkpoints of NanoDet, OSNet, ResNet-50 and MobileNetV2 are rebuilt as ONNX graphs; ONNX files of many families are
taken as they are. No PyTorch is needed and nothing in a checkpoint is executed.
"""

import argparse
import logging
import time
from collections.abc import Iterable
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge import modelpack
from edge.console.flags import add_out
from edge.console.outgoing import say
from edge.detect import adopt, flags
from edge.errors import OutputError, UsageError
from edge.modelpack import Colour, Detector, Reid
from edge.types import Image
from export import adopted, config, networks, pack
from export.config import Activations, Config
from export.layers import ACTIVATIONS

if TYPE_CHECKING:
    from calibration.outcome import Calibration, Outcome

logger = logging.getLogger(__name__)

LOOKED_AT = 16  # calibration pictures in which an adopted detector's boxes are looked at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument(
        "--detector", type=Path, required=True, metavar="FILE", help=".pth, .pt, .ckpt, .safetensors or .onnx"
    )
    parser.add_argument("--reid", type=Path, metavar="FILE", help="appearance network, of the same types")
    parser.add_argument(
        "--input-size",
        type=flags.size,
        metavar="WxH",
        help="size of the detector's input: of a checkpoint in multiples of 32, default: its own, or 416x416; of an"
        " ONNX file only where that leaves it open",
    )
    parser.add_argument(
        "--class-names",
        type=flags.names,
        metavar="A,B,...",
        help="names of the detector's classes, in order, or coco; default: the file's own, or COCO's for 80 classes",
    )
    parser.add_argument(
        "--classes", type=flags.names, metavar="A,B,...", help="keep these classes only, which is faster"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="nanodet.yml: the training configuration of a NanoDet checkpoint"
    )
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        metavar="NAME",
        help=f"activation of a NanoDet checkpoint without --config: {', '.join(ACTIVATIONS)}; default: LeakyReLU, as"
        " published",
    )
    parser.add_argument(
        "--calibrate",
        nargs="+",
        metavar="FRAMES",
        help="videos, image folders, glob patterns or list files to calibrate on; makes INT8 and FP16 variants, too",
    )
    parser.add_argument(
        "--boards",
        choices=("all", "cpu", "tensorrt"),
        default="all",
        help="which boards the calibrated variants are for; fewer take less time; default: all",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="DIR", help="YOLO text files of the calibration pictures, to score variants by"
    )
    parser.add_argument(
        "--limits",
        type=_limits,
        default={},
        metavar="ap50=F,ap=F,...",
        help="least agreement with float32 with which a variant passes the gate",
    )
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="INT8 report; default: beside the pack")
    add_out(parser, "the pack, a folder", metavar="OUT.pack", required=True)
    parser.add_argument("--licence", metavar="TEXT", help="licence of the weights; the pack's manifest keeps it")
    parser.add_argument("--force", action="store_true", help="replace an existing pack")
    flags.add(parser, with_names=False)
    crops = parser.add_argument_group(
        "appearance network",
        "How its crops are prepared, where not as torchreid's: RGB, ImageNet's mean and std. It gets"
        " (pixel * scale - mean) / std of pixels of 0..255.",
    )
    crops.add_argument(
        "--reid-input-size", type=flags.size, metavar="WxH", help="size of the crops, where an ONNX file leaves it open"
    )
    crops.add_argument("--reid-colour", choices=get_args(Colour), help="order of the colours")
    crops.add_argument(
        "--reid-scale",
        type=flags.number,
        metavar="F",
        help="factor of the pixels; default with --reid-mean or --reid-std: 1",
    )
    crops.add_argument(
        "--reid-mean", type=flags.triple, metavar="A,B,C", help="mean of each colour, in the order of --reid-colour"
    )
    crops.add_argument(
        "--reid-std", type=flags.triple, metavar="A,B,C", help="deviation of each colour, in the same order"
    )
    crops.add_argument(
        "--reid-output", metavar="NAME", help="output that is the embedding, where an ONNX file has several"
    )


def run(args: argparse.Namespace) -> None:
    """Write the pack."""
    start_s = time.perf_counter()
    for name in ("labels", "limits", "report"):
        if getattr(args, name) and not args.calibrate:
            raise UsageError(f"--{name} is about calibration; add --calibrate FRAMES, or leave it out")
    detector = networks.detector(
        args.detector,
        args.input_size,
        args.class_names,
        args.classes,
        flags.overrides(args),
        _config(args.config, args.activation),
    )
    crops = adopt.Overrides(
        input_size=args.reid_input_size,
        colour=args.reid_colour,
        scale=args.reid_scale,
        mean=args.reid_mean,
        std=args.reid_std,
    )
    reid = networks.reid(args.reid, crops, args.reid_output) if args.reid else None
    if args.calibrate:
        calibration = _calibration(args, detector, reid)
    else:
        calibration = None
        look(args.detector, detector)
    pack.write(args.out, detector, reid, licence=args.licence, calibration=calibration, force=args.force)
    if calibration:
        _report(args, calibration, detector, reid)
    written = modelpack.read(args.out)
    parts = [written.detector.source.architecture, *([written.reid.source.architecture] if written.reid else [])]
    say(f"{args.out}: {' and '.join(parts)}, in {time.perf_counter() - start_s:.1f} s")


def look(path: Path, detector: networks.Network[Detector], pictures: Iterable[Image] | None = None) -> None:
    """Log what is strange about the boxes that a detector given as an ONNX file finds in `pictures`, by default the
    built-in ones."""
    if path.suffix != ".onnx" or detector.description.is_joint:
        return
    from edge.detect.open import warn_of_nonsense

    with adopted.on_disk(path, detector.content) as copy, adopt.opened(copy) as network:
        warn_of_nonsense(detector.description, network, str(path), pictures)


def _config(path: Path | None, activation: str | None) -> Config | None:
    """What is said of a NanoDet checkpoint, None where nothing is."""
    if path is not None and activation is not None:
        raise UsageError("--activation: --config says it already; leave one of them out")
    if activation is not None:
        return Config(Activations(activation, activation, activation))
    return config.read(path) if path is not None else None


def _calibration(
    args: argparse.Namespace, detector: networks.Network[Detector], reid: networks.Network[Reid] | None
) -> "Calibration":
    """The networks calibrated on the pictures that the flags name."""
    from calibration import labels
    from calibration.calibrate import PICTURES, calibrate, steps
    from calibration.frames import FEWEST, find
    from calibration.gate import Limits
    from calibration.outcome import ALL_BOARDS, Settings
    from edge.console.running import Progress

    pack.check_free(args.out, args.force)
    try:
        limits = Limits(**args.limits)
    except TypeError:
        known = ", ".join(f.name for f in fields(Limits))
        raise UsageError(f"--limits {','.join(args.limits)}: expected some of {known}") from None
    joint = detector.description.is_joint
    frames = find(PICTURES, *args.calibrate, in_pairs=joint)
    if frames.distinct < 2 * FEWEST:
        logger.warning(
            "--calibrate: only %d different pictures, of %d; take %d or more, of every scene and time of day that the"
            " cameras will see",
            frames.distinct,
            len(frames.chosen),
            PICTURES,
        )
    look(args.detector, detector, islice(frames.pictures(), LOOKED_AT))
    truths = labels.read(args.labels, frames, detector.description) if args.labels else None
    contents = {"detector": detector.content} | ({"reid": reid.content} if reid else {})
    described = detector.description, reid.description if reid else None
    settings = Settings(limits, ALL_BOARDS if args.boards == "all" else (args.boards,))
    total = steps(settings, reid=reid is not None, labels=truths is not None)
    with Progress(total) as progress:
        calibration = calibrate(contents, *described, frames, settings, progress.advance, truths)
    for name, outcome in calibration.outcomes.items():
        _warn_if_slower(name, contents[name], outcome)
    return calibration


def _warn_if_slower(name: str, content: bytes, outcome: "Outcome") -> None:
    """Say where integers gain nothing on a CPU like this one; every board measures for itself."""
    from calibration.report import timed

    integer = next((made for made in outcome.variants if made.name == "int8"), None)
    if integer is not None and outcome.held_out:
        float_ms, integer_ms = (timing.p50_ms for timing in timed([content, integer.content], outcome.held_out[0], 9))
        if integer_ms > 1.05 * float_ms:  # less is noise
            logger.warning(
                "%s: int8 is slower than float32 on a CPU like this one, %.1f ms against %.1f: its operators have no"
                " fast integer kernels; a board measures both once and takes the faster",
                name,
                integer_ms,
                float_ms,
            )


def _report(
    args: argparse.Namespace,
    calibration: "Calibration",
    detector: networks.Network[Detector],
    reid: networks.Network[Reid] | None,
) -> None:
    """Beside the pack and not in it: times of this machine would make each export another pack."""
    from calibration.report import page

    name = args.out.name.removesuffix(".pack")
    path = args.report or args.out.with_name(f"{name}.report.html")
    contents = {"detector": detector.content} | ({"reid": reid.content} if reid else {})
    try:
        path.write_text(page(name, calibration, contents, detector.description), "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another --report") from error
    say(f"{path}: INT8 report")


def _limits(text: str) -> dict[str, float]:
    try:
        return {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER,... such as ap50=0.97, found {text!r}") from None
