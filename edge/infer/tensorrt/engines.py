"""Which engines a network of a pack needs on this GPU: one for each batch size, each with its key."""

from dataclasses import dataclass

from edge.infer.golden import NetworkName
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import Gpu
from edge.infer.tensorrt.cache import EngineKey
from edge.infer.tensorrt.versions import Generation, Precision, generation
from edge.modelpack import Detector, ImageInput, ModelPack, Reid, Variant, VariantKind

PRECISIONS: tuple[Precision, ...] = ("int8", "fp16")  # best first

# A tracker with five people in view asks for five crops: they are padded to the next of these.
BATCHES: dict[NetworkName, tuple[int, ...]] = {"detector": (1,), "reid": (1, 4, 8, 16)}


@dataclass(frozen=True)
class EngineSet:
    """The engines of one network in one precision: the pack variant they are built from and a key a batch size."""

    network: NetworkName
    precision: Precision
    kind: VariantKind
    variant: Variant
    keys: dict[int, EngineKey]


def network_of(pack: ModelPack, network: NetworkName) -> Detector | Reid | None:
    """The description of a network of the pack; None where it has no such network."""
    return pack.detector if network == "detector" else pack.reid


def engine_set(pack: ModelPack, network: NetworkName, precision: Precision, gpu: Gpu) -> EngineSet:
    """The engines that `network` needs on `gpu` in `precision`.

    Raises RungError when the GPU has no such arithmetic, the pack no such variant, or the variant failed its gate.
    """
    require_arithmetic(gpu, precision)
    rules = generation(gpu.tensorrt)
    description = network_of(pack, network)
    if description is None:
        raise RungError(Reason.VARIANT_MISSING, f"{pack.manifest.name} has no {network}")
    kind, variant = _variant(description, network, precision, rules)
    keys = {
        batch: EngineKey(
            onnx_sha256=variant.sha256,
            precision=precision,
            input_shapes={description.input.name: input_shape(description.input, batch)},
            tensorrt=gpu.tensorrt,
            libraries=gpu.libraries,
            cuda=gpu.cuda,
            driver=gpu.driver,
            device=gpu.name,
            sm=gpu.sm,
            sm_count=gpu.sm_count,
            builder_flags=rules.builder_flags[precision],
        )
        for batch in BATCHES[network]
    }
    return EngineSet(network, precision, kind, variant, keys)


def require_arithmetic(gpu: Gpu, precision: Precision) -> None:
    """Return when the GPU computes in `precision`; raises RungError(NO_INT8_HARDWARE)."""
    if precision == "int8" and not gpu.has_int8:
        raise RungError(Reason.NO_INT8_HARDWARE, f"{gpu.name}, compute capability {gpu.sm}")


def _variant(
    description: Detector | Reid, network: NetworkName, precision: Precision, rules: Generation
) -> tuple[VariantKind, Variant]:
    kind = rules.variants[precision]
    variant = description.variants.get(kind)
    if variant is None:
        raise RungError(Reason.VARIANT_MISSING, f"the {network} has no variant {kind}")
    if not variant.passed:
        raise RungError(Reason.GATE_FAILED, f"the {network}'s {kind} fell below the pack's accuracy limits")
    return kind, variant


def input_shape(wanted: ImageInput, batch: int) -> tuple[int, ...]:
    """The shape of `batch` images as the network takes them."""
    if wanted.layout == "nhwc-uint8":
        return (batch, wanted.height, wanted.width, 3)
    return (batch, 3, wanted.height, wanted.width)
