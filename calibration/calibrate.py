"""From float networks and calibration frames to variants with evidence: what `nanotrack-export pack --calibrate` runs.

Each network goes the same way: what flows through it is observed, layers are ranked by how much they suffer in eight
bits, grids and weights are chosen for each family of runtimes (`calibration.search`), and a gate compares every variant
with the float network on frames that nothing was chosen on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx

from calibration import feeds, float16, joint_inputs, lint, matrix_outputs, placement, search, sensitivity
from calibration.feeds import CalibrationSet, View
from calibration.frames import FEWEST, Frames, halves
from calibration.gate import Judge, Limits, ReidJudge, Verdict
from calibration.judges import judge_of
from calibration.network import Network, opset_of
from calibration.outcome import Calibration, Outcome, Settings, VariantFile
from calibration.precision import compared
from calibration.runtime import Array, Runner
from calibration.search import Observed, Subject, Target
from edge.errors import DataError
from edge.modelpack import Detector, Reid
from edge.types import Detections

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]  # hears of each step as it begins; `steps` says how many there will be

PICTURES = 128  # drawn from what is given; half of them are held out
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


def steps(settings: Settings, *, reid: bool, labels: bool) -> int:
    """How many steps `calibrate` will take."""
    count = 2 + labels  # the frames, the sensitivity
    if "cpu" in settings.boards:
        count += search.steps(search.CPU) + 1  # and the gate
    if "tensorrt" in settings.boards:
        count += (1 + reid) * (search.steps(search.TENSORRT) + 3)  # and activations, the gate, float16
    return count


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

    `labels` are the true boxes of each of `frames`, as shares of its width and height.
    Raises DataError for a network of which nothing can be computed in integers. A variant that cannot be made of it,
    or that TensorRT would refuse, is left out and noted.
    """
    progress("calibration frames")
    crops: list[list[Array]] = []
    joint = detector.is_joint
    if joint:
        collected = joint_inputs.collect(frames.pairs(), detector, contents["detector"])
    else:
        cropped = reid if "tensorrt" in settings.boards else None
        collected, crops = feeds.collect(frames.pictures(), detector, Runner(contents["detector"]), cropped)
    outcomes = {"detector": _detector(contents["detector"], detector, collected, settings, progress)}
    if joint:
        outcomes["detector"].notes += _notes_on_pairs(collected, settings)
    if labels is not None:
        progress("labels")
        _, held_out = halves(len(labels))
        views = [collected.views[i] for i in held_out]
        _compare(outcomes["detector"], contents["detector"], detector, views, [labels[i] for i in held_out])
    if reid is not None:
        outcomes["reid"] = _reid(contents["reid"], reid, crops, settings, progress)
    return Calibration(frames, settings, outcomes)


def _detector(
    content: bytes, detector: Detector, collected: CalibrationSet, settings: Settings, progress: Progress
) -> Outcome:
    network = Network.parse(content)
    reference = Runner(content)
    first, second = halves(len(collected.feeds))
    inputs, held_out = ([collected.feeds[i] for i in part] for part in (first, second))
    tuning = judge_of(detector, reference, inputs[: search.FOR_COMPARISON])
    gate = judge_of(detector, reference, held_out)
    subject = Subject(network, inputs, [collected.objects[i] for i in first], tuning)
    outcome = Outcome(held_out=held_out)
    on_cpu = Subject(matrix_outputs.with_matrix_outputs(network), inputs, subject.objects, tuning)
    if not placement.candidates(on_cpu.network):
        raise DataError(
            f"{detector.source.file}: expected convolutions that can be computed in integers, found none; export it"
            " without --calibrate"
        )
    progress("sensitivity of layers")
    seen_on_cpu = search.observed(on_cpu, search.CPU)
    rough = search.rough(on_cpu, search.CPU, seen_on_cpu)
    outcome.ranking = sensitivity.ranked(rough, tuning, (), inputs[0])
    if "cpu" in settings.boards:
        _integer(outcome, "int8", on_cpu, search.CPU, seen_on_cpu, gate, settings, progress)
    if "tensorrt" in settings.boards:
        _tensorrt(outcome, subject, gate, settings, progress)
    return outcome


def _notes_on_pairs(collected: CalibrationSet, settings: Settings) -> list[str]:
    """What is to be known of a joint network's calibration."""
    alone = sum(joint_inputs.stands_still(feed) for feed in collected.feeds)
    notes = [JOINT_ON_CPU] if "cpu" in settings.boards else []
    if 2 * alone > len(collected.feeds):
        notes.append(
            f"{alone} of {len(collected.feeds)} pictures follow no other: the network saw each as the first of a"
            " stream, in which nothing moves; calibrate on videos or on folders of frames"
        )
        logger.warning("--calibrate: %s", notes[-1])
    return notes


def _compare(
    outcome: Outcome, content: bytes, detector: Detector, views: Sequence[View], labels: Sequence[Detections]
) -> None:
    """Average precision of every variant against labels of the held-out frames, in whose pixels boxes are compared."""
    truths = [
        replace(label, boxes_xyxy=(label.boxes_xyxy * np.tile([view.width, view.height], 2)).astype(np.float32))
        for view, label in zip(views, labels, strict=True)
    ]
    judge = judge_of(detector, Runner(content), [])
    for variant, file in [("fp32", content), *((made.name, made.content) for made in outcome.variants)]:
        seen = [judge.detections(outputs) for outputs in Runner(file).each(outcome.held_out)]
        found = [
            replace(one, boxes_xyxy=view.boxes(one.boxes_xyxy.astype(np.float64)).astype(np.float32))
            for view, one in zip(views, seen, strict=True)
        ]
        ap50, ap, _ = compared(truths, found)
        outcome.labelled[variant] = {"ap50": round(ap50, 5), "ap": round(ap, 5), "boxes": sum(map(len, truths))}


def _reid(
    content: bytes, reid: Reid, crops: Sequence[Sequence[Array]], settings: Settings, progress: Progress
) -> Outcome:
    if "cpu" in settings.boards:
        logger.info("reid: %s", NO_CPU_REID)
    if "tensorrt" not in settings.boards:
        return Outcome(notes=[NO_CPU_REID])
    first, second = halves(len(crops))
    inputs, held_out = feeds.batches(crops, first), feeds.batches(crops, second)
    outcome = Outcome(notes=[NO_CPU_REID], held_out=[*held_out])
    if min(len(inputs), len(held_out)) * feeds.CROP_BATCH < FEWEST:
        found = sum(map(len, crops))
        outcome.notes.append(f"not calibrated: the detector found only {found} crops of people in the pictures")
        logger.warning("reid: %s", outcome.notes[-1])
        return outcome
    reference = Runner(content)
    tuning, gate = ReidJudge(reid, reference, inputs), ReidJudge(reid, reference, held_out)
    subject = Subject(Network.parse(content), inputs, [feeds.NOWHERE] * len(inputs), tuning)
    _tensorrt(outcome, subject, gate, settings, progress)
    return outcome


def _tensorrt(outcome: Outcome, subject: Subject, gate: Judge, settings: Settings, progress: Progress) -> None:
    """The three variants for TensorRT: Q/DQ in float32 and in float16, and float16 without pairs."""
    settings = replace(settings, copies=EXACT_COPIES)
    progress("qdq: activations")
    seen = search.observed(subject, search.TENSORRT)
    _integer(outcome, "qdq", subject, search.TENSORRT, seen, gate, settings, progress)
    content = outcome.variants[-1].content
    progress("float16")
    for variant, model in (("fp16", subject.network.model), ("qdq_fp16", onnx.load_from_string(content))):
        try:
            half = float16.to_float16(model)
            _add(outcome, variant, bytes(half.SerializeToString(deterministic=True)), gate, settings, exact=False)
        except DataError as error:
            _leave_out(outcome, variant, str(error))
    for made in [made for made in outcome.variants if made.name.startswith("qdq")]:
        illegal = lint.problems(onnx.load_from_string(made.content))
        if illegal:
            outcome.variants.remove(made)
            _leave_out(outcome, made.name, f"not legal for TensorRT: {'; '.join(illegal[:4])}")


def _leave_out(outcome: Outcome, variant: str, why: str) -> None:
    """Note that a variant is not made, as of a network from elsewhere with operators that it cannot have."""
    outcome.notes.append(f"no {variant}: {why}")
    logger.warning("%s", outcome.notes[-1])


def _integer(
    outcome: Outcome,
    variant: str,
    subject: Subject,
    target: Target,
    seen: Observed,
    gate: Judge,
    settings: Settings,
    progress: Progress,
) -> None:
    """Calibrate for `target`. Layers that pay are in float from the start, more of them only until the gate passes."""
    # ONNX Runtime with every fusion off is the oracle of what TensorRT computes.
    exact = target is search.TENSORRT
    placed = set(target.place(subject.network, ()).integer)
    always = [node.output[0] for node in subject.network.weighted() if node.output[0] not in placed]
    taken = sensitivity.paying(outcome.ranking)
    floats = [name for unit in taken for name in unit.layers if name in placed]
    result = search.best(subject, target, floats, seen, lambda text: progress(f"{variant}: {text}"))
    outcome.quantized[variant] = result
    progress(f"{variant}: gate")
    verdict = gate.verdict(result.run(floats, exact=exact), settings.copies)
    if not verdict.passes(settings.limits) and not outcome.ranking:
        outcome.ranking = sensitivity.ranked(result, subject.tuning, (), subject.inputs[0])
    for unit in [u for u in outcome.ranking if u not in taken and u.gain > 0][:MOST_UNITS]:
        if verdict.passes(settings.limits):
            break
        logger.info("%s: fails the gate as it is; again with %s in float", variant, unit.name)
        taken.append(unit)
        floats += [name for name in unit.layers if name in placed]
        verdict = gate.verdict(result.run(floats, exact=exact), settings.copies)
    why = dict.fromkeys(always, _why(target))
    for unit in taken:
        reason = f"{unit.name}: saves {unit.gain_share:.0%} of the error for {unit.cost_share:.0%} of the time (model)"
        why |= dict.fromkeys([name for name in unit.layers if name in placed], reason)
    outcome.floats[variant] = why
    outcome.variants.append(_variant_file(variant, result.content(floats), verdict, settings.limits))


def _add(outcome: Outcome, variant: str, content: bytes, gate: Judge, settings: Settings, *, exact: bool) -> None:
    verdict = gate.verdict(Runner(content, exact=exact), settings.copies)
    outcome.variants.append(_variant_file(variant, content, verdict, settings.limits))


def _variant_file(variant: str, content: bytes, verdict: Verdict, limits: Limits) -> VariantFile:
    passed = verdict.passes(limits)
    logger.info("%s: %s: %s", variant, "passed" if passed else "FAILED the gate, never chosen automatically", verdict)
    return VariantFile(variant, content, opset_of(onnx.load_from_string(content)), passed, verdict)


def _why(target: Target) -> str:
    if target is search.CPU:
        return "first convolution (a few colours: integers are slower and worse) or a result's last convolution"
    return "too few channels for TensorRT's integer kernels, or a result's last layer"
