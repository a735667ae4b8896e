"""Train one of the networks: fine-tune it on labelled pictures of your own,
or train a built-in one from scratch on frames of the built-in scene.

Needs PyTorch: the extra [train]. For --data:

  coco.json                            COCO's format; pictures beside it, in
                                       `images`, or in --images DIR
  DIR with images, labels, data.yaml   YOLO's format
  DIR/[train/]SEQUENCE/gt/gt.txt       MOTChallenge's format, pictures in img1

  nanotrack-export train detector --data coco.json --minutes 30 \\
      --from nanodet-plus-m_416.pth -o tuned
  nanotrack-export train reid --data MOT17 --from osnet_x0_25_msmt17.pth \\
      -o tuned
  nanotrack-export train joint --data MOT17 --from joint.pth -o tuned
  nanotrack-export pack --detector tuned/detector.pth -o street.pack

The detector learns from any of the three; the appearance network (reid) and
the joint network need identities, which MOTChallenge's format has, and COCO's
as track_id. A fifth of the pictures is held out for validation. Without --data
a built-in network is trained on the built-in scene, an hour or two on two
cores.

Ctrl-C stops in good order: the weights so far are written, and the same
command resumes from there. The folder gets log.jsonl, curves.png, state.pt to
resume from, and detector.pth, reid.pth or joint.pth, the weights in half
precision.
"""

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from edge.console.flags import add_out
from edge.console.outgoing import say
from edge.detect import flags
from edge.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from export.train.progress import Compute

STEPS = {"detector": 6000, "reid": 6000, "joint": 6500}
TUNING_STEPS = 1500
_MOST_MINUTES = 7 * 24 * 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("network", choices=tuple(STEPS))
    add_out(parser, "the folder", required=True)
    parser.add_argument("--data", type=Path, metavar="FILE|DIR", help="labelled pictures; see above")
    parser.add_argument("--images", type=Path, metavar="DIR", help="where the pictures of --data lie, if elsewhere")
    parser.add_argument("--from", dest="start", type=Path, metavar="FILE", help="pretrained weights to start from")
    parser.add_argument(
        "--classes", type=flags.names, metavar="A,B,...", help="classes of the labels to learn; default: all"
    )
    parser.add_argument(
        "--input-size", type=flags.size, metavar="WxH", help="input size of the detector; default: that of the weights"
    )
    parser.add_argument("--minutes", type=float, metavar="F", help="stop after this time; needs --data")
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help=f"batches in all; default: {str(STEPS)[1:-1]}; with --data: {TUNING_STEPS}, or what --minutes allow",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--device", default="cpu", help="PyTorch device, as cuda; default: cpu")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of the network on the CPU; default: one for each core"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that prepare batches; default: 1"
    )


def run(args: argparse.Namespace) -> int:
    """Train, release and score; 128 + signal where one ended it."""
    _check(args)
    if not args.verbose:
        logging.getLogger("edge.infer").setLevel(logging.WARNING)  # each check opens networks
    try:
        import torch
    except ImportError:
        raise UnavailableError(
            "training needs PyTorch, which is not installed: pip install 'nanotrack-edge[train]'"
        ) from None
    from export.train.progress import Compute

    if args.threads:
        torch.set_num_threads(args.threads)
    compute = Compute(args.device, args.workers)
    if args.data:
        _tune(args, compute)
    else:
        _train(args, compute)
    return compute.stop.exit_code


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not fit together."""
    if args.data and not args.start:
        raise UsageError(
            "--data: expected --from WEIGHTS, found none; fine-tuning starts from pretrained weights: add them"
        )
    for name in ("start", "images", "classes", "input_size", "minutes"):
        if getattr(args, name) is not None and not args.data:
            flag = {"start": "from"}.get(name, name).replace("_", "-")
            raise UsageError(f"--{flag} is for fine-tuning on your own pictures; add --data, or leave it out")
    for name in ("classes", "input_size"):
        if getattr(args, name) is not None and args.network != "detector":
            raise UsageError(f"--{name.replace('_', '-')} is for the detector; leave it out")
    for name, low, high in (
        ("minutes", 0.01, _MOST_MINUTES),
        ("steps", 1, 10**7),
        ("threads", 1, 256),
        ("workers", 1, 64),
    ):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise UsageError(f"--{name} {value}: expected a number from {low} to {high}")


def _tune(args: argparse.Namespace, compute: "Compute") -> None:
    """Fine-tune on the user's pictures, and say what that changed on those held out."""
    from export.train import labelled, tune

    data = labelled.read(args.data, args.images)
    if args.classes:
        data = data.only(args.classes)
    seconds = None if args.minutes is None else 60 * args.minutes
    steps = args.steps or (TUNING_STEPS if seconds is None else 10**7)
    if args.network == "detector":
        done = tune.detector(args.out, data, args.start, steps, seconds, compute, args.input_size, args.seed)
    elif args.network == "reid":
        done = tune.reid(args.out, data, args.start, steps, seconds, compute, args.seed)
    else:
        done = tune.joint(args.out, data, args.start, steps, seconds, compute, args.seed)
    say(
        f"{done.path}: {done.metric} {done.before:.3f} before, {done.after:.3f} after, on the pictures held out;"
        f" see {args.out / 'curves.png'}"
    )
    if compute.stop.exit_code:
        say("stopped early; the same command resumes from here")


def _train(args: argparse.Namespace, compute: "Compute") -> None:
    """Train a built-in network, and score it on streets that it never saw."""
    from export.train import detector, joint, reid, score, score_joint

    steps = args.steps or STEPS[args.network]
    path = {"detector": detector, "reid": reid, "joint": joint}[args.network].train(args.out, steps, compute, args.seed)
    if compute.stop.exit_code:
        say(f"{path}: stopped early; the same command resumes from here")
        return
    if args.network == "detector":
        result = f"AP50 {score.detector(path):.3f}"
    elif args.network == "reid":
        result = f"rank-1 {score.reid(path):.3f}"
    else:
        scores = score_joint.joint(path)
        result = f"AP50 {scores.ap50:.3f}, rank-1 {scores.rank_one:.3f}, offsets off by {scores.offset_px:.1f} px"
    say(f"{path}: {result} on unseen seeds {score.SEEDS.start} to {score.SEEDS.stop - 1}")
