"""Which backend and variant runs a network here: the first rung that is available, opens, and computes correctly.

`tensorrt-int8`, `tensorrt-fp16`, then on the CPU `openvino-bf16`, `openvino-int8`, `openvino-fp32`, `onnxruntime-int8`,
`onnxruntime-fp32`, of which the fastest is taken. TensorRT and OpenVINO are tried in a child process before they are
touched here; every rung must reproduce the pack's golden output; and each one passed over leaves a `Skip`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import DataError, NanoTrackError, UnavailableError, UsageError
from edge.infer import golden, storage
from edge.infer.backend import Backend, BackendName, VariantName, hold
from edge.infer.golden import NetworkName
from edge.infer.openvino import available as openvino
from edge.infer.reasons import Reason, RungError, Skip, notable, summary
from edge.infer.resilient import NoRungError, Resilient
from edge.infer.tensorrt import cache as engines_on_disk
from edge.infer.tensorrt.available import Gpu, probe
from edge.infer.tensorrt.engines import engine_set, network_of, require_arithmetic
from edge.infer.tensorrt.versions import Precision
from edge.modelpack import Detector, ModelPack, Reid, Variant

if TYPE_CHECKING:
    from edge.infer.onnxrt.session import OnnxRuntime

logger = logging.getLogger(__name__)


class Rung(NamedTuple):
    """A way to run a network. `name` is what --require, logs and metrics call it."""

    name: str
    backend: BackendName
    precision: str


LADDER = (
    Rung("tensorrt-int8", "tensorrt", "int8"),
    Rung("tensorrt-fp16", "tensorrt", "fp16"),
    Rung("openvino-bf16", "openvino", "bf16"),
    Rung("openvino-int8", "openvino", "int8"),
    Rung("openvino-fp32", "openvino", "fp32"),
    Rung("onnxruntime-int8", "onnxruntime", "int8"),
    Rung("onnxruntime-fp32", "onnxruntime", "fp32"),
)
# Climbed only when asked for by name; the name of the provider is ONNX Runtime's.
ON_REQUEST = {
    Rung("onnxruntime-tensorrt", "onnxruntime-tensorrt", "fp32"): "TensorrtExecutionProvider",
    Rung("onnxruntime-cuda", "onnxruntime-cuda", "fp32"): "CUDAExecutionProvider",
}
RUNGS = (*LADDER, *ON_REQUEST)


@dataclass(frozen=True)
class Wish:
    """What the user asked for.

    `variant` "fp32" means without quantization: the float rungs, which on TensorRT is FP16. `require` is a rung's name
    or a backend's; unlike a wish it does not give way.
    """

    backend: BackendName = "auto"
    variant: VariantName = "auto"
    require: str | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        specs = list(dict.fromkeys([rung.name for rung in RUNGS] + [rung.backend for rung in RUNGS]))
        if self.require not in (None, *specs):
            raise UsageError(f"--require {self.require}: expected one of {', '.join(specs)}")
        if not any(map(self.allows, RUNGS)):
            raise UsageError(
                f"--backend {self.backend}, --variant {self.variant} and --require {self.require} leave no rung of"
                f" {', '.join(rung.name for rung in RUNGS)}; ask for less"
            )

    def relaxed(self) -> "Wish":
        """The wish for the appearance network beside a detector: the same library, but its own best variant.

        Appearance networks often have no INT8 variant, since on CPUs none of theirs is faster.
        """
        libraries = {rung.backend for rung in RUNGS if self.allows(rung)}
        backend = libraries.pop() if len(libraries) == 1 else self.backend
        return Wish(backend, "auto" if self.variant == "int8" else self.variant, threads=self.threads)

    def allows(self, rung: Rung) -> bool:
        """Whether the rung is one of those asked for."""
        return (
            (rung in LADDER or rung.name in (self.backend, self.require))
            and self.backend in ("auto", rung.backend)
            and (self.variant == "auto" or (rung.precision == "int8") == (self.variant == "int8"))
            and self.require in (None, rung.name, rung.backend)
        )


class Opened(NamedTuple):
    """A network on one rung; `parity` is None where the pack has no golden output."""

    backend: Backend
    parity: golden.Parity | None


class Ladder:
    """Opens networks on the best rung; probes the GPU once, when the first rung that needs one is tried."""

    def __init__(self, wish: Wish, cache: Path | None = None, look: Callable[[], Gpu] = probe) -> None:
        """`cache` is the folder with what this board made for itself, None for the default one; `look` finds the
        GPU."""
        self.wish = wish
        self._cache = cache or storage.default_folder()
        self._look = look
        self._seen: Gpu | RungError | None = None
        self._cpu: openvino.Cpu | None = None

    def gpu(self) -> Gpu:
        """The GPU of this board. Raises RungError when there is none that TensorRT can use."""
        if self._seen is None:
            try:
                self._seen = self._look()
            except RungError as error:
                self._seen = error
        if isinstance(self._seen, RungError):
            raise self._seen
        return self._seen

    def require_board(self, rung: Rung) -> None:
        """Return when this board could run the rung, whatever the pack. Raises RungError with the reason."""
        if rung.backend == "tensorrt":
            require_arithmetic(self.gpu(), _precision(rung))
        elif rung.backend == "openvino":
            self._cpu = self._cpu or openvino.probe()
            self._cpu.require_arithmetic(openvino.RUNGS[rung.name])
        else:
            _onnxruntime()

    def open(self, pack: ModelPack, network: NetworkName, max_batch: int = 1) -> Resilient:
        """The network on the best rung that works, ready to run, with those below it in reserve.

        Raises DataError when only the pack is in the way (no such variant), UnavailableError with every reason else.
        """
        wanted = [rung for rung in RUNGS if self.wish.allows(rung)]
        openers = [(rung.name, partial(self._backend, rung, pack, network, max_batch)) for rung in wanted]
        try:
            backend = Resilient(openers)
        except NoRungError as error:
            raise _refusal(pack, network, error.skips) from None
        passed = ", ".join(f"{skip.rung} ({skip.reason.value})" for skip in notable(backend.running.passed_over))
        logger.info("%s on %s%s", network, backend.running.rung, f"; passed over: {passed}" if passed else "")
        return backend

    def open_rung(self, rung: Rung, pack: ModelPack, network: NetworkName, max_batch: int = 1) -> Opened:
        """The network on one rung, warm and checked against the golden output.

        Raises RungError with the reason, DataError for a network that the library does not take.
        """
        if rung.backend == "tensorrt":
            variant, backend = self._on_tensorrt(rung, pack, network)
        elif rung.backend == "openvino":
            variant, backend = self._on_openvino(rung, pack, network, max_batch)
        else:
            variant, backend = self._on_onnxruntime(rung, pack, network, max_batch)
        if network == "detector":
            hold(backend, pack.detector.constants)
        expected = golden.read(pack, network)
        try:
            return Opened(backend, golden.check(backend, expected, variant) if expected else None)
        except RungError:
            backend.close()
            raise

    def _backend(self, rung: Rung, pack: ModelPack, network: NetworkName, max_batch: int) -> Backend:
        return self.open_rung(rung, pack, network, max_batch).backend

    def _on_tensorrt(self, rung: Rung, pack: ModelPack, network: NetworkName) -> tuple[str, Backend]:
        wanted = engine_set(pack, network, _precision(rung), self.gpu())
        plans = {batch: engines_on_disk.load(self._cache, key) for batch, key in wanted.keys.items()}
        from edge.infer.tensorrt.session import TensorRT

        return wanted.kind, TensorRT(plans, rung.name, rung.precision)

    def _on_openvino(self, rung: Rung, pack: ModelPack, network: NetworkName, max_batch: int) -> tuple[str, Backend]:
        openvino.version()
        described = network_of(pack, network)
        kind = openvino.variant_of(described, rung.name) if described else None
        if described is None or kind is None:
            raise RungError(Reason.VARIANT_MISSING, f"the {network} has no variant {rung.precision}")
        self._require_passed(described.variants[kind], rung, network)
        from edge.infer.openvino import build

        tried = build.tried(pack, network, described, self.wish.threads, max_batch, self._cache)
        tried.require_right(rung.name)
        if rung.name != self.wish.require:
            tried.require_fastest(rung.name, [other.name for other in LADDER if self._may_win(other, described)])
        from edge.infer.openvino.session import OpenVino

        backend = OpenVino(
            pack.path(described.variants[kind]),
            precision=openvino.RUNGS[rung.name],
            threads=self.wish.threads,
            max_batch=max_batch,
            compiled=tried.compiled(rung.name),
            rung=rung.name,
            variant=rung.precision,
        )
        return openvino.golden_name(rung.name, kind), backend

    def _may_win(self, rung: Rung, described: Detector | Reid) -> bool:
        """Whether a rung on the CPU is asked for, and the pack has what it runs, good enough to be taken by itself."""
        if rung.backend == "tensorrt" or not self.wish.allows(rung):
            return False
        kind: str | None = rung.precision
        if rung.backend == "openvino":
            kind = openvino.variant_of(described, rung.name)
        return kind is not None and kind in described.variants and self._is_passed(described.variants[kind], rung)

    def _is_passed(self, variant: Variant, rung: Rung) -> bool:
        return variant.passed or self.wish.variant == rung.precision  # asked for by name it is the user's choice

    def _require_passed(self, variant: Variant, rung: Rung, network: NetworkName) -> None:
        if not self._is_passed(variant, rung):
            raise RungError(
                Reason.GATE_FAILED, f"the {network}'s {rung.precision} fell below the pack's accuracy limits"
            )

    def _on_onnxruntime(self, rung: Rung, pack: ModelPack, network: NetworkName, max_batch: int) -> tuple[str, Backend]:
        description = network_of(pack, network)
        variant = description.variants.get(rung.precision) if description else None
        if variant is None:
            raise RungError(Reason.VARIANT_MISSING, f"the {network} has no variant {rung.precision}")
        self._require_passed(variant, rung, network)
        open_file = partial(_onnxruntime(), rung=rung.name, variant=rung.precision)
        path, threads = pack.path(variant), self.wish.threads
        chosen = rung.name == self.wish.require or self.wish.variant != "auto"
        if rung.precision == "int8" and not chosen and description and "fp32" in description.variants:
            from edge.infer.onnxrt.build import require_faster

            require_faster(pack, description, threads, self._cache)
        if rung not in ON_REQUEST:
            return rung.precision, open_file(path, threads=threads, max_batch=max_batch)
        # A GPU multiplies float32 as TF32, whose mantissa is that of float16: so is the limit for its golden output.
        return "fp16", open_file(path, threads=threads, max_batch=max_batch, provider=ON_REQUEST[rung])


def _precision(rung: Rung) -> Precision:
    return "int8" if rung.precision == "int8" else "fp16"


def _onnxruntime() -> type["OnnxRuntime"]:
    try:
        from edge.infer.onnxrt.session import OnnxRuntime
    except ImportError as error:
        raise RungError(Reason.NO_ONNXRUNTIME, str(error)) from error
    return OnnxRuntime


def _refusal(pack: ModelPack, network: NetworkName, skips: Sequence[Skip]) -> NanoTrackError:
    """What to raise when no rung is left: the pack's fault or the board's."""
    message = f"{pack.folder}, {network}: nothing that was asked for runs it: {summary(skips)}"
    of_the_pack = {Reason.VARIANT_MISSING, Reason.GATE_FAILED}
    kind = DataError if {skip.reason for skip in skips} <= of_the_pack else UnavailableError
    return kind(message.replace("PACK", str(pack.folder)))
