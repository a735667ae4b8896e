"""What both trainings share: the loop, its schedule, averaged weights, checkpoints to go on from, log and curves."""

import copy
import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from edge.console.running import Progress, StopRequest

LOG_EVERY = 20  # steps
KEEP_EVERY = 200  # steps between checkpoints
STREETS_APART = 10**9  # between the seeds of two processes that draw
LARGEST_GRADIENT = 35.0
_LEARNED_FOR_CHECKED = 9  # how much longer than a check the training before the next one lasts
_PACE_STEPS = 5  # before so many the pace is not known


@dataclass(frozen=True)
class Compute:
    """What training may use: a `device` of PyTorch for the network, and `workers`, processes that draw the batches.

    After the first Ctrl-C `stop` tells to end in good order.
    """

    device: str = "cpu"
    workers: int = 1
    stop: StopRequest = field(default_factory=StopRequest)


@dataclass(frozen=True)
class Plan:
    """What is different where weights are tuned that others trained.

    `seconds` ends it after so long, with the learning rate falling by the clock. `fixed_norms` keeps the batch norms at
    the statistics that the weights came with: small batches of few pictures have others, and published weights may
    have them folded away. `check` measures the network that training makes, at its start, every `check_every_s`, more
    rarely where that would take more than a tenth of the time, and at its end; what it finds is logged. `start_method`
    is that of the processes that draw: "spawn" wants batches that can be pickled, and bears threads of OpenCV in this
    process.
    """

    seconds: float | None = None
    fixed_norms: bool = False
    warm_up: int = 100
    check: Callable[[nn.Module], dict[str, float]] | None = None
    check_every_s: float = 60.0
    start_method: str = "fork"


FROM_NOTHING = Plan()


def worker() -> int:
    """The number of the process that draws, from 0; 0 outside of any."""
    info = get_worker_info()
    return info.id if info else 0


def learning_rate(step: int, steps: int, peak: float, warm_up: int = 100) -> float:
    """A linear warm-up, then half a cosine down to a hundredth of `peak`."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


class Average:
    """An exponential moving average of a network's weights and statistics: `net` is the better network."""

    def __init__(self, net: nn.Module, decay: float = 0.998) -> None:
        self.net = copy.deepcopy(net).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Take in the weights after `step` steps; the first ones count more."""
        decay = min(self._decay, (1 + step) / (10 + step))
        pairs = list(zip(self.net.state_dict().values(), net.state_dict().values(), strict=True))
        mine, other = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        torch._foreach_lerp_(mine, other, 1 - decay)
        for mine, other in (pair for pair in pairs if not pair[0].is_floating_point()):
            mine.copy_(other)


class Log:
    """JSON lines in `folder`/log.jsonl; `draw` renders them as curves.png."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.jsonl"

    def write(self, **values: float) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 6) for k, v in values.items()}) + "\n")

    def draw(self) -> None:
        """A small chart per quantity, over steps."""
        lines = [json.loads(line) for line in self._path.read_text("utf-8").splitlines()]
        names = sorted({key for line in lines for key in line} - {"step"})
        charts = [_chart(name, [(x["step"], x[name]) for x in lines if name in x]) for name in names]
        cv2.imwrite(str(self._path.with_name("curves.png")), np.vstack(charts))


def _chart(name: str, points: list[tuple[float, float]], width: int = 640, height: int = 150) -> np.ndarray:
    picture = np.full((height, width, 3), 255, np.uint8)
    x, y = np.array(points, float).T
    low, high = float(y.min()), float(y.max())
    u = 60 + (x - x.min()) / max(1e-9, np.ptp(x)) * (width - 80)
    v = height - 20 - (y - low) / max(1e-9, high - low) * (height - 50)
    cv2.polylines(picture, [np.stack([u, v], 1).astype(np.int32)], False, (180, 90, 20), 1, cv2.LINE_AA)
    for text, place in ((name, (60, 18)), (f"{high:.3g}", (4, 36)), (f"{low:.3g}", (4, height - 18))):
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    cv2.putText(
        picture,
        f"step {x.max():.0f}",
        (width - 90, height - 5),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.4,
        (60, 60, 60),
        1,
        cv2.LINE_AA,
    )
    return picture


def fit(
    net: nn.Module,
    loss_of: Callable[[Any], dict[str, Tensor]],
    batches: Callable[[int], IterableDataset[Any]],
    folder: Path,
    steps: int,
    compute: Compute,
    *,
    peak: float,
    weight_decay: float,
    plan: Plan = FROM_NOTHING,
) -> nn.Module:
    """Train `net` for `steps` batches in all, or as `plan` says, and return its average.

    The loss is the sum of what `loss_of` gives. Goes on from `folder`/state.pt where it exists, and keeps its state
    there when `compute.stop` ends it; `batches(first)` are those from step `first` on, NamedTuples of tensors, drawn by
    processes of their own.
    """
    net.to(compute.device, memory_format=torch.channels_last)
    average = Average(net)
    optimiser = torch.optim.AdamW(net.parameters(), peak, weight_decay=weight_decay)
    log, state, first, before_s = Log(folder), folder / "state.pt", 0, 0.0
    if state.exists():
        kept = torch.load(state, weights_only=True, map_location=compute.device)
        net.load_state_dict(kept["net"])
        average.net.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        first, before_s = kept["step"], kept.get("seconds", 0.0)
    source = DataLoader(
        batches(first),
        batch_size=None,
        num_workers=compute.workers,
        prefetch_factor=4,
        worker_init_fn=_alone,
        multiprocessing_context=plan.start_method,
    )
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    drawing = iter(source)  # its processes start here, before a check lets libraries start threads
    began_s = time.perf_counter()
    pause_s = plan.check_every_s
    if plan.check and first == 0:
        log.write(step=0, **plan.check(average.net))
        pause_s = max(pause_s, _LEARNED_FOR_CHECKED * (time.perf_counter() - began_s))
    checked_s = time.perf_counter()
    with Progress(None if plan.seconds else steps - first) as progress, compute.stop as stop:
        progress.note("waiting for the first batch")
        for step, drawn in zip(range(first, steps), drawing, strict=False):
            batch = type(drawn)(*(part.to(compute.device, non_blocking=True) for part in drawn))
            net.train()
            for norm in norms if plan.fixed_norms else ():
                norm.eval()
            seconds = before_s + time.perf_counter() - began_s
            expected = _expected(step, steps, seconds, plan.seconds)
            rate = learning_rate(step, expected, peak, plan.warm_up)
            last = step + 1 >= expected or stop.exit_code
            for group in optimiser.param_groups:
                group["lr"] = rate
            parts = loss_of(batch)
            loss = torch.stack(list(parts.values())).sum()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            average.update(net, step)
            if step % LOG_EVERY == 0 or last:
                named = {name: float(value.detach()) for name, value in parts.items()}
                log.write(step=step, rate=rate, loss=float(loss.detach()), **named)
            if plan.check and (last or time.perf_counter() - checked_s > pause_s):
                check_s = time.perf_counter()
                log.write(step=step + 1, **plan.check(average.net))
                checked_s = time.perf_counter()
                pause_s = max(plan.check_every_s, _LEARNED_FOR_CHECKED * (checked_s - check_s))
            if (step + 1) % KEEP_EVERY == 0 or last:
                weights = {"net": net.state_dict(), "average": average.net.state_dict()}
                save(state, step=step + 1, seconds=seconds, optimiser=optimiser.state_dict(), **weights)
                log.draw()
            is_known = plan.seconds is None or step >= _PACE_STEPS
            progress.advance(f"batches, loss {float(loss.detach()):.3f}", expected - first if is_known else None)
            if last:
                break
    return average.net


def _expected(step: int, steps: int, seconds: float, most_s: float | None) -> int:
    """How many batches there will be in all: `steps`, or as many as fit into `most_s` at the pace so far."""
    if most_s is None or step < _PACE_STEPS:
        return steps
    return min(steps, max(step + 1 if seconds < most_s else step, round(step * most_s / max(seconds, 1e-9))))


def _alone(_: int) -> None:
    """Each drawing process uses one core, and leaves Ctrl-C to the process that trains."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def save(path: Path, **state: Any) -> None:
    """Write a checkpoint to resume from, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def release(net: nn.Module, path: Path, **meta: Any) -> None:
    """Write the weights alone in half precision, without a classifier: `{"state_dict": ..., "meta": ...}`."""
    weights = {
        k: (v.half() if v.is_floating_point() else v).cpu()
        for k, v in net.state_dict().items()
        if "classifier" not in k
    }
    torch.save({"state_dict": weights, "meta": meta}, path)
