"""Whether a pack's networks run, are what its manifest says, and still compute what they computed at the export.

Each is run first in a child process with limits: a pack may come from anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.detect import adopt
from edge.detect.facts import Facts, listed
from edge.detect.families.family import Reading
from edge.detect.families.joint import BEFORE
from edge.errors import DataError, NanoTrackError
from edge.infer import golden
from edge.infer.backend import Port, hold
from edge.infer.onnxrt import trial
from edge.infer.open import open_backend
from edge.infer.reasons import RungError
from edge.modelpack import Detector, ModelPack, Reid, Variant
from edge.reid import adopt as adopt_reid
from export import adopted, onnxfile

_Fact = tuple[str, object, object]  # of what, what the manifest says, what the file says


@dataclass(frozen=True)
class Verdict:
    """What was found about one variant of one network: `problems` is empty when all is well.

    `error` is the relative difference from the golden float32 outputs, None where the pack holds none.
    """

    network: golden.NetworkName
    variant: str
    file: str
    error: float | None
    problems: list[str]


def verify(pack: ModelPack) -> Iterator[Verdict]:
    """A verdict on each variant of each network of a pack whose hashes were checked already."""
    for variant, entry in pack.detector.variants.items():
        yield _verdict(pack, "detector", pack.detector, variant, entry)
    if pack.reid is not None:
        for variant, entry in pack.reid.variants.items():
            yield _verdict(pack, "reid", pack.reid, variant, entry)


def _verdict(
    pack: ModelPack, network: golden.NetworkName, said: Detector | Reid, variant: str, entry: Variant
) -> Verdict:
    path = pack.path(entry)
    try:
        problems = _disagreements(path, said, entry)
    except NanoTrackError as error:  # no valid model, or one that is not understood: nothing to run
        return Verdict(network, variant, entry.file, None, [str(error)])
    try:
        parity = _parity(pack, network, variant, path)
    except (NanoTrackError, RungError) as error:
        return Verdict(network, variant, entry.file, None, [*problems, str(error)])
    if parity is not None and not parity.passed:
        problems.append(f"{entry.file}: other outputs than at the export: {parity}")
    return Verdict(network, variant, entry.file, None if parity is None else parity.error, problems)


def _disagreements(path: Path, said: Detector | Reid, entry: Variant) -> list[str]:
    """Where the manifest and the ONNX file differ. Raises DataError for a network that does not run."""
    _, model = onnxfile.load(path)
    ports = onnxfile.ports(model)
    _run(path, *ports)
    facts = _facts(path, said, *ports)
    if isinstance(said, Detector) and said.is_joint:
        facts = _joint_facts(said, *ports)
    pairs: list[_Fact] = [("opset", entry.opset, onnxfile.opset(model)), *facts]
    return [f"{entry.file}: {what}: manifest {a}, file {b}" for what, a, b in pairs if a != b]


def _run(path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Run the network, a free batch with sizes that it cannot have been wired to; DataError where it fails."""
    free = any(port.shape[:1] == (None,) for port in inputs)
    counts = adopted.BATCHES if free else (1,)
    shapes = [{p.name: [count if size is None else size for size in p.shape] for p in inputs} for count in counts]
    batched = [port.name for port in outputs if free and port.shape[:1] == (None,)]
    for count, seen in zip(counts, trial.attempt(path, shapes), strict=True):
        wrong = [name for name in batched if seen[name].shape[0] != count]
        if wrong:
            raise DataError(f"{path.name}: {wrong[0]} has {seen[wrong[0]].shape[0]} rows for {count} crops")


def _facts(path: Path, said: Detector | Reid, inputs: Sequence[Port], outputs: Sequence[Port]) -> Iterator[_Fact]:
    found: Detector | Reid
    if isinstance(said, Detector):
        reading = _reading(path, said)
        found = reading.detector
        yield "outputs", said.head, found.head
        if reading.counted:
            yield "number of classes", len(said.classes), len(found.classes)
    else:
        found = adopt_reid.reid(path.name, "", inputs, outputs)
        yield "output", (said.output, said.embedding), (found.output, found.embedding)
    for key in ("name", "width", "height", "layout"):
        yield f"input {key}", getattr(said.input, key), getattr(found.input, key)


def _reading(path: Path, said: Detector) -> Reading:
    """The network in `path` read as one of the family that the manifest names, as the manifest has it where it can."""
    with adopt.opened(path) as network:
        facts = Facts(path, network)
        readings = adopt.readings(facts, said.head.type)
    if not readings:
        raise DataError(f"{path.name}: no {said.head.type}: found {listed(facts.inputs)} -> {listed(facts.outputs)}")
    return next((reading for reading in readings if reading.detector.head == said.head), readings[0])


def _joint_facts(said: Detector, inputs: Sequence[Port], outputs: Sequence[Port]) -> Iterator[_Fact]:
    """Of a joint network, whose peaks do not tell how many classes there are."""
    size = said.input.height, said.input.width
    shape = (1, *size, 3) if said.input.layout == "nhwc-uint8" else (1, 3, *size)
    shapes = {port.name: port.shape for port in inputs}
    for name in (said.input.name, BEFORE):
        yield f"input {name}", shape, shapes.get(name)
    yield "outputs", said.head.outputs, tuple(port.name for port in outputs)


def _parity(pack: ModelPack, network: golden.NetworkName, variant: str, path: Path) -> golden.Parity | None:
    expected = golden.read(pack, network)
    if expected is None:
        return None
    backend = open_backend(path, name="onnxruntime", max_batch=len(expected.input))
    if network == "detector":
        hold(backend, pack.detector.constants)
    try:
        return golden.parity(backend, expected, variant, len(expected.input))
    finally:
        backend.close()
