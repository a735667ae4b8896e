"""What OpenVINO is worth on this board: every rung tried in a child process, checked, and timed beside ONNX Runtime.

OpenVINO misreads some networks (INT8 in Q/DQ form) and is faster or slower than ONNX Runtime as the processor is. So
nothing of it is believed: once for each network, version and processor a child process compiles it, compares it with
the pack's golden output and times it in turns with ONNX Runtime's; the answer and the compiled networks are kept.
"""

import dataclasses
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge import modelpack
from edge.errors import NanoTrackError
from edge.infer import child, golden, turns
from edge.infer.backend import Backend, hold
from edge.infer.golden import NetworkName
from edge.infer.openvino import cache
from edge.infer.openvino.available import RUNGS, golden_name, installed, look, variant_of, version
from edge.infer.openvino.cache import Contest, Trial
from edge.infer.reasons import Reason, RungError
from edge.modelpack import Detector, ModelPack, Reid, VariantKind

logger = logging.getLogger(__name__)

TIMEOUT_S = 300.0  # compiling INT8 takes OpenVINO five seconds on a fast core
_BESIDE: Mapping[str, VariantKind] = {"onnxruntime-int8": "int8", "onnxruntime-fp32": "fp32"}


@dataclass(frozen=True)
class Tried:
    """The contest of one network, and the file that keeps it, beside which the compiled networks lie."""

    contest: Contest
    path: Path

    def require_right(self, rung: str) -> None:
        """Return when `rung` computes what the pack says; raises RungError with the reason."""
        self.contest[rung].require_right()

    def require_fastest(self, rung: str, among: Collection[str]) -> None:
        """Return when none of the rungs `among` is faster; raises RungError(SLOWER) with both times.

        Of equally fast ones ONNX Runtime's is taken, which needs no second library.
        """
        own = self.contest[rung]
        times_ms = {t.rung: t.ms for t in self.contest.trials if t.ms is not None and t.rung in among}
        best = min(times_ms, key=lambda name: times_ms[name] * (turns.LEAST_GAIN if name in RUNGS else 1), default=rung)
        if best != rung:
            raise RungError(
                Reason.SLOWER,
                f"{rung} takes {own.ms:.1f} ms, {best} {times_ms[best]:.1f} ms on {self.contest.machine}",
            )

    def compiled(self, rung: str) -> bytes | None:
        """The compiled network, None where it was not kept."""
        return cache.load_compiled(self.path, self.contest[rung])


def tried(
    pack: ModelPack, network: NetworkName, described: Detector | Reid, threads: int, max_batch: int, folder: Path
) -> Tried:
    """The contest of this network on this machine, read from `folder`, or held now and kept there.

    Raises RungError(NO_OPENVINO).
    """
    machine = turns.machine(f"OpenVINO {version()}", f"ONNX Runtime {installed('onnxruntime')}")
    kinds = {rung: kind for rung in RUNGS if (kind := variant_of(described, rung))}
    kinds |= {rung: kind for rung, kind in _BESIDE.items() if kind in described.variants}
    files = {rung: described.variants[kind].sha256 for rung, kind in kinds.items()}
    path = cache.path_of(folder, [network, files, threads, max_batch, machine])
    known = cache.load(path)
    if known is None:
        logger.info("%s, %s: trying OpenVINO on this board, once", pack.folder, network)
        job = {
            "pack": str(pack.folder.absolute()),
            "network": network,
            "kinds": kinds,
            "threads": threads,
            "max_batch": max_batch,
            "path": str(path),
        }
        known = Contest(machine, tuple(_held(job)))
        logger.info("%s, %s: %s", pack.folder, network, "; ".join(map(_in_words, known.trials)))
        cache.store(path, known)
    return Tried(known, path)


def _in_words(trial: Trial) -> str:
    return f"{trial.rung} {trial.reason}" if trial.reason else f"{trial.rung} {trial.ms or 0:.1f} ms"


def _held(job: Mapping[str, object]) -> list[Trial]:
    """Every rung's trial. One at which the child process dies is out of the contest, which is then held again."""
    kinds = job["kinds"]
    assert isinstance(kinds, dict)
    out: list[Trial] = []
    while remaining := {rung: kind for rung, kind in kinds.items() if rung not in {trial.rung for trial in out}}:
        outcome = child.call("edge.infer.openvino.build:hold_contest", {**job, "kinds": remaining}, timeout_s=TIMEOUT_S)
        if outcome.status == 0:
            return [*out, *(Trial(**message["trial"]) for message in outcome.messages if "trial" in message)]
        at = next((message["at"] for message in reversed(outcome.messages) if "at" in message), None)
        try:
            outcome.require(f"trying {at or 'OpenVINO'}", Reason.OPENVINO_BROKEN)
        except RungError as error:
            gone = [rung for rung in remaining if rung == at] or list(remaining)
            out += [Trial(rung, error.reason.value, error.detail) for rung in gone]
    return out


def hold_contest(job: Mapping[str, object], report: child.Report) -> None:
    """The child's side: `{"at": rung}` before each rung is touched, at the end `{"trial": ...}` of each."""
    pack = modelpack.read(str(job["pack"]))
    network: NetworkName = "detector" if job["network"] == "detector" else "reid"
    kinds, path = job["kinds"], Path(str(job["path"]))
    assert isinstance(kinds, dict)
    trials: dict[str, Trial] = {}
    opened: dict[str, Backend] = {}
    for rung, kind in kinds.items():
        report({"at": rung})
        try:
            opened[rung] = open_checked(pack, network, rung, kind, job)
            trials[rung] = Trial(rung, "", "", None, _kept(path, rung, opened[rung]))
        except RungError as error:
            trials[rung] = Trial(rung, error.reason.value, error.detail)
        except NanoTrackError as error:
            trials[rung] = Trial(rung, Reason.BACKEND_FAILED.value, str(error))
    report({"at": "the clock"})
    threads = int(str(job["threads"]))
    for rung, ms in zip(opened, turns.times_ms(list(opened.values()), threads) if opened else (), strict=True):
        trials[rung] = dataclasses.replace(trials[rung], ms=ms)
    for trial in trials.values():
        report({"trial": dataclasses.asdict(trial)})


def _kept(path: Path, rung: str, backend: Backend) -> str:
    """The hash of the compiled network that is now beside `path`; "" for ONNX Runtime's, of which none is kept."""
    from edge.infer.openvino.session import OpenVino

    return cache.store_compiled(path, rung, backend.compiled) if isinstance(backend, OpenVino) else ""


def open_checked(
    pack: ModelPack, network: NetworkName, rung: str, kind: VariantKind, job: Mapping[str, object]
) -> Backend:
    """The network of one rung of the CPU in this process, checked against the golden output; `job` has "threads" and
    "max_batch". Raises RungError, DataError."""
    described = pack.detector if network == "detector" else pack.reid
    assert described is not None
    threads, max_batch = int(str(job["threads"])), int(str(job["max_batch"]))
    file = pack.path(described.variants[kind])
    backend: Backend
    if rung in RUNGS:
        from edge.infer.openvino.session import OpenVino

        look().require_arithmetic(RUNGS[rung])
        backend = OpenVino(file, precision=RUNGS[rung], threads=threads, max_batch=max_batch)
    else:
        from edge.infer.onnxrt.session import OnnxRuntime

        backend = OnnxRuntime(file, threads=threads, max_batch=max_batch)
    if network == "detector":
        hold(backend, pack.detector.constants)
    expected = golden.read(pack, network)
    if expected is None:
        raise RungError(Reason.GOLDEN_MISMATCH, "the pack has no golden output to compare with")
    golden.check(backend, expected, golden_name(rung, kind))
    return backend
