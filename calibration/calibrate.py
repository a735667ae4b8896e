"""From float networks and pictures to integer variants with evidence: what `nanotrack-export pack --calibrate` runs."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import onnx

from calibration import half, lint, material, pairs, placement, recipe, sensitivity, tail
from calibration.frames import FEWEST, Frames, halves
from calibration.gate import Judge, Limits, ReidJudge, Verdict
from calibration.joint_gate import judge_of
from calibration.material import Material
from calibration.network import Network, opset_of
from calibration.precision import compared
from calibration.recipe import Calibrated, Observed, Subject, Target
from calibration.runtime import Array, Feed, Runner
from calibration.sensitivity import Unit
from edge.errors import DataError
from edge.modelpack import Detector, Reid
from edge.types import Detections

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]
Boards = Literal["cpu", "tensorrt"]
ALL_BOARDS: tuple[Boards, ...] = get_args(Boards)

PICTURES = 128  # drawn from what is given; half of them are held out
COPIES = 3  # perturbed copies of the held-out inputs that a verdict is averaged over
EXACT_COPIES = 1  # where the oracle computes every pair as it stands, which is slow
MOST_UNITS = 8  # tried one after the other where the gate does not pass

NO_CPU_REID = (
    "no int8 variant for CPUs: measured on x86, every integer form of this architecture is slower than float32"
    " (x0.25: .74 to .95 of its speed; layers of 16 to 32 channels, gates between float and integer)"
)
JOINT_ON_CPU = (
    "whether int8 is a joint network's faster form on a CPU depends on the processor, so each board times both once and"
    " takes that: the built-in one's int8 runs at .87 of float32's speed on x86 without VNNI (AMD EPYC of 2021, ONNX"
    " Runtime 1.32)"
)


@dataclass(frozen=True)
class Rendering:
    """One ONNX file of a network and what the gate says of it."""

    form: str
    content: bytes
    opset: int
    passed: bool
    verdict: Verdict


@dataclass
class Outcome:
    """All new renderings of one network, and how they came about."""

    renderings: list[Rendering] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    calibrated: dict[str, Calibrated] = field(default_factory=dict)
    floats: dict[str, dict[str, str]] = field(default_factory=dict)  # by form: layer and why
    ranking: list[Unit] = field(default_factory=list)
    held_out: list[Feed] = field(default_factory=list)
    labelled: dict[str, dict[str, float]] = field(default_factory=dict)  # by form: AP against labels

    def calibration(self) -> dict[str, Any]:
        """What the pack's calibration file says: ranges, methods, layers in float and why, the sensitivity ranking."""
        forms = {}
        for form, calibrated in self.calibrated.items():
            ranges = calibrated.ranges(self.floats[form])
            forms[form] = {
                "ranges_by": str(calibrated.choice),
                "equalisation": [asdict(strength) if strength else None for strength in calibrated.strengths],
                "errors_of_alternatives": {name: round(error, 6) for name, error in calibrated.tried.items()},
                "float_layers": self.floats[form],
                "ranges": {name: [round(v, 6) for v in covered] for name, covered in ranges.items()},
            }
        ranking = [{**asdict(unit), "worth": unit.worth} for unit in self.ranking]
        return {"notes": self.notes, "forms": forms, "sensitivity": ranking}

    def accuracy(self) -> dict[str, Any]:
        """What the pack's accuracy file says of each rendering."""
        verdicts: dict[str, Any] = {r.form: {**asdict(r.verdict), "passed": r.passed} for r in self.renderings}
        return verdicts | ({"against_labels": self.labelled} if self.labelled else {})


@dataclass(frozen=True)
class Settings:
    """The gate's limits, how thoroughly it looks, and which boards get variants."""

    limits: Limits = field(default_factory=Limits)
    boards: Collection[Boards] = ALL_BOARDS
    copies: int = COPIES


@dataclass(frozen=True)
class Calibration:
    """Everything that a pack gets from calibration: `outcomes` by network, judged with `settings` on half of
    `frames`."""

    frames: Frames
    settings: Settings
    outcomes: Mapping[str, Outcome]

    def calibration(self) -> dict[str, Any]:
        """The contents of the pack's calibration file."""
        first, second = halves(len(self.frames.chosen))
        frames = {
            "calibrated_on": len(first),
            "held_out": len(second),
            "distinct": self.frames.distinct,
            "sha256": self.frames.sha256,
        }
        return {"frames": frames} | {name: outcome.calibration() for name, outcome in self.outcomes.items()}

    def accuracy(self) -> dict[str, Any]:
        """The contents of the pack's accuracy file: the gate's limits, and each variant beside the float network."""
        limits = {"limits": asdict(self.settings.limits)}
        return limits | {name: outcome.accuracy() for name, outcome in self.outcomes.items()}


def calibrate(
    contents: Mapping[str, bytes],
    detector: Detector,
    reid: Reid | None,
    frames: Frames,
    settings: Settings,
    progress: Progress,
    labels: Sequence[Detections] | None = None,
) -> Calibration:
    """Calibrate `detector` and, where given, `reid`; `contents` are their float files by these names.

    `labels` are the true boxes of each of `frames`, in pixels of the detector's input.
    `progress` hears what is being done. Raises DataError for a network that can be no integers and
    for a result that TensorRT would refuse.
    """
    progress("pictures")
    crops: list[list[Array]] = []
    joint = detector.is_joint
    if joint:
        seen = pairs.gather(frames.pairs(), detector, contents["detector"])
    else:
        cropped = reid if "tensorrt" in settings.boards else None
        seen, crops = material.gather(frames.pictures(), detector, Runner(contents["detector"]), cropped)
    outcomes = {"detector": _detector(contents["detector"], detector, seen, settings, progress)}
    if joint:
        outcomes["detector"].notes += _notes_on_pairs(seen, settings)
    if labels is not None:
        progress("labels")
        _, held_out = halves(len(labels))
        _compare(outcomes["detector"], contents["detector"], detector, [labels[i] for i in held_out])
    if reid is not None:
        outcomes["reid"] = _reid(contents["reid"], reid, crops, settings, progress)
    return Calibration(frames, settings, outcomes)


def _detector(content: bytes, detector: Detector, seen: Material, settings: Settings, progress: Progress) -> Outcome:
    network = Network.parse(content)
    reference = Runner(content)
    first, second = halves(len(seen.tensors))
    inputs, held_out = ([seen.tensors[i] for i in part] for part in (first, second))
    tuning = judge_of(detector, reference, inputs[: recipe.FOR_CHOICES])
    gate = judge_of(detector, reference, held_out)
    subject = Subject(network, inputs, [seen.objects[i] for i in first], tuning)
    outcome = Outcome(held_out=held_out)
    on_cpu = Subject(tail.as_products(network), inputs, subject.objects, tuning)
    if not placement.candidates(on_cpu.network):
        raise DataError(
            f"{detector.source.file}: expected convolutions that can be computed in integers, found none; export it"
            " without --calibrate"
        )
    progress("sensitivity")
    seen_on_cpu = recipe.observed(on_cpu, recipe.CPU)
    rough = recipe.rough(on_cpu, recipe.CPU, seen_on_cpu)
    outcome.ranking = sensitivity.ranked(rough, tuning, (), inputs[0])
    if "cpu" in settings.boards:
        _integer(outcome, "int8", on_cpu, recipe.CPU, seen_on_cpu, gate, settings, progress)
    if "tensorrt" in settings.boards:
        _tensorrt(outcome, subject, gate, settings, progress)
    return outcome


def _notes_on_pairs(seen: Material, settings: Settings) -> list[str]:
    """What is to be known of a joint network's calibration."""
    alone = sum(pairs.stands_still(feed) for feed in seen.tensors)
    notes = [JOINT_ON_CPU] if "cpu" in settings.boards else []
    if 2 * alone > len(seen.tensors):
        notes.append(
            f"{alone} of {len(seen.tensors)} pictures follow no other: the network saw each as the first of a stream,"
            " in which nothing moves; calibrate on videos or on folders of frames"
        )
        logger.warning("--calibrate: %s", notes[-1])
    return notes


def _compare(outcome: Outcome, content: bytes, detector: Detector, truths: Sequence[Detections]) -> None:
    """Average precision of every form against labels of the held-out pictures."""
    judge = judge_of(detector, Runner(content), [])
    for form, file in [("fp32", content), *((r.form, r.content) for r in outcome.renderings)]:
        found = [judge.detections(outputs) for outputs in Runner(file).each(outcome.held_out)]
        ap50, ap, _ = compared(truths, found)
        outcome.labelled[form] = {"ap50": round(ap50, 5), "ap": round(ap, 5), "boxes": sum(map(len, truths))}


def _reid(
    content: bytes, reid: Reid, crops: Sequence[Sequence[Array]], settings: Settings, progress: Progress
) -> Outcome:
    if "cpu" in settings.boards:
        logger.info("reid: %s", NO_CPU_REID)
    if "tensorrt" not in settings.boards:
        return Outcome(notes=[NO_CPU_REID])
    first, second = halves(len(crops))
    inputs, held_out = material.batches(crops, first), material.batches(crops, second)
    outcome = Outcome(notes=[NO_CPU_REID], held_out=[*held_out])
    if min(len(inputs), len(held_out)) * material.CROP_BATCH < FEWEST:
        found = sum(map(len, crops))
        outcome.notes.append(f"not calibrated: the detector found only {found} crops of people in the pictures")
        logger.warning("reid: %s", outcome.notes[-1])
        return outcome
    reference = Runner(content)
    tuning, gate = ReidJudge(reid, reference, inputs), ReidJudge(reid, reference, held_out)
    subject = Subject(Network.parse(content), inputs, [material.NOWHERE] * len(inputs), tuning)
    _tensorrt(outcome, subject, gate, settings, progress)
    return outcome


def _tensorrt(outcome: Outcome, subject: Subject, gate: Judge, settings: Settings, progress: Progress) -> None:
    """The three forms for TensorRT: Q/DQ in float32 and in float16, and float16 without pairs."""
    settings = replace(settings, copies=EXACT_COPIES)
    progress("qdq: activations")
    seen = recipe.observed(subject, recipe.TENSORRT)
    _integer(outcome, "qdq", subject, recipe.TENSORRT, seen, gate, settings, progress)
    content = outcome.renderings[-1].content
    progress("float16")
    for form, model in (("fp16", subject.network.model), ("qdq_fp16", onnx.load_from_string(content))):
        halved = half.halved(model)
        _add(outcome, form, bytes(halved.SerializeToString(deterministic=True)), gate, settings, exact=False)
    for rendering in outcome.renderings:
        if rendering.form.startswith("qdq"):
            illegal = lint.problems(onnx.load_from_string(rendering.content))
            if illegal:
                raise DataError(
                    f"{rendering.form}: not legal for TensorRT: {'; '.join(illegal[:4])}; please report this"
                )


def _integer(
    outcome: Outcome,
    form: str,
    subject: Subject,
    target: Target,
    seen: Observed,
    gate: Judge,
    settings: Settings,
    progress: Progress,
) -> None:
    """Calibrate for `target`. Layers that pay are in float from the start, more of them only until the gate passes."""
    # ONNX Runtime with every fusion off is the oracle of what TensorRT computes.
    exact = target is recipe.TENSORRT
    placed = set(target.place(subject.network, ()).integer)
    always = [node.output[0] for node in subject.network.weighted() if node.output[0] not in placed]
    taken = sensitivity.paying(outcome.ranking)
    floats = [name for unit in taken for name in unit.layers if name in placed]
    result = recipe.calibrate(subject, target, floats, seen, lambda text: progress(f"{form}: {text}"))
    outcome.calibrated[form] = result
    progress(f"{form}: gate")
    verdict = gate.verdict(result.run(floats, exact=exact), settings.copies)
    if not verdict.passes(settings.limits) and not outcome.ranking:
        outcome.ranking = sensitivity.ranked(result, subject.tuning, (), subject.inputs[0])
    for unit in [u for u in outcome.ranking if u not in taken and u.gain > 0][:MOST_UNITS]:
        if verdict.passes(settings.limits):
            break
        progress(f"{form}: gate with {unit.name} in float")
        taken.append(unit)
        floats += [name for name in unit.layers if name in placed]
        verdict = gate.verdict(result.run(floats, exact=exact), settings.copies)
    why = dict.fromkeys(always, _why(target))
    for unit in taken:
        reason = f"{unit.name}: saves {unit.gain_share:.0%} of the error for {unit.cost_share:.0%} of the time (model)"
        why |= dict.fromkeys([name for name in unit.layers if name in placed], reason)
    outcome.floats[form] = why
    outcome.renderings.append(_rendering(form, result.content(floats), verdict, settings.limits))


def _add(outcome: Outcome, form: str, content: bytes, gate: Judge, settings: Settings, *, exact: bool) -> None:
    verdict = gate.verdict(Runner(content, exact=exact), settings.copies)
    outcome.renderings.append(_rendering(form, content, verdict, settings.limits))


def _rendering(form: str, content: bytes, verdict: Verdict, limits: Limits) -> Rendering:
    passed = verdict.passes(limits)
    logger.info("%s: %s: %s", form, "passed" if passed else "FAILED the gate, never chosen automatically", verdict)
    return Rendering(form, content, opset_of(onnx.load_from_string(content)), passed, verdict)


def _why(target: Target) -> str:
    if target is recipe.CPU:
        return "first convolution (a few colours: integers are slower and worse) or a result's last convolution"
    return "too few channels for TensorRT's integer kernels, or a result's last layer"
