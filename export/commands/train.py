"""Retrain one of the built-in networks from nothing on frames of the built-in scene, then score it on unseen seeds.

Needs PyTorch: the extra [train]. Takes an hour or two on two cores. An interrupted training goes on where it was. The
folder gets log.jsonl, curves.png, state.pt to go on from, and detector.pth, reid.pth or joint.pth, the weights in half
precision.
"""

import argparse
import sys
from pathlib import Path

from edge.errors import UnavailableError

STEPS = {"detector": 6000, "reid": 6000, "joint": 6500}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("network", choices=tuple(STEPS))
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the folder")
    parser.add_argument("--steps", type=int, metavar="N", help="batches in all; default: " + str(STEPS)[1:-1])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--device", default="cpu", help="PyTorch's name of it, as cuda; default: cpu")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of the network on the CPU; default: one for each core"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that draw; default: 1")


def run(args: argparse.Namespace) -> None:
    """Train, release and score."""
    try:
        import torch
    except ImportError:
        raise UnavailableError(
            "training needs PyTorch, which is not installed; install the extra: python -m pip install '.[train]'"
        ) from None
    from export.train import detector, joint, reid, score, score_joint
    from export.train.progress import Compute

    if args.threads:
        torch.set_num_threads(args.threads)
    compute = Compute(args.device, args.workers)
    steps = args.steps or STEPS[args.network]
    if args.network == "detector":
        path = detector.train(args.output, steps, compute, args.seed)
        result = f"AP50 {score.detector(path):.3f}"
    elif args.network == "reid":
        path = reid.train(args.output, steps, compute, args.seed)
        result = f"rank-1 {score.reid(path):.3f}"
    else:
        path = joint.train(args.output, steps, compute, args.seed)
        scores = score_joint.joint(path)
        result = f"AP50 {scores.ap50:.3f}, rank-1 {scores.rank_one:.3f}, ways back off by {scores.back_px:.1f} px"
    sys.stdout.write(f"{path}: {result} on unseen seeds {score.SEEDS.start} to {score.SEEDS.stop - 1}\n")
