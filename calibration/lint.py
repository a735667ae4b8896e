"""Whether a Q/DQ file is legal for TensorRT, by reading it: what NVIDIA's importer refuses is found before the board.

The rules were measured with the TensorRT-RTX 1.7 importer and agree with what users of TensorRT 8.5 to 10 report:
int8 only, every zero point 0, floating-point bias, weights with one scale a channel (Conv axis 0), activations with one
scale, float16 scales only from opset 19 on. Besides: the two operands of an Add whose one comes from a convolution do
not both have pairs, and all inputs of a Concat that have grids have the same.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from calibration.float16 import QDQ_OPSET
from calibration.network import Array, Network, attribute, opset_of

_PAIR = ("QuantizeLinear", "DequantizeLinear")
_OLDEST = 13


def problems(model: onnx.ModelProto) -> list[str]:
    """Everything that makes `model` illegal or slow for TensorRT, each with its node's name; empty when all is well."""
    network = Network(model)
    found = list(_versions(network))
    for node in network.nodes:
        label = f"{node.op_type} {node.name or node.output[0]}"
        checks = _pair(network, node) if node.op_type in _PAIR else _other(network, node)
        found += [f"{label}: {problem}" for problem in checks]
    for value in [*model.graph.input, *model.graph.output]:
        for place, dimension in enumerate(value.type.tensor_type.shape.dim):
            if place > 0 and not dimension.HasField("dim_value"):
                found.append(f"{value.name}: dimension {place} is dynamic; only the batch may be")
    return found


def _versions(network: Network) -> Iterator[str]:
    version = opset_of(network.model)
    if version < _OLDEST:
        yield f"opset {version}: Q/DQ with a scale for each channel came with opset {_OLDEST}"
    for entry in network.model.opset_import:
        if entry.domain not in ("", "ai.onnx"):
            yield f"operators of {entry.domain}: TensorRT knows only the standard ones"
    halves = [
        node.name or node.output[0]
        for node in network.nodes
        if node.op_type in _PAIR and _scale(network, node).dtype == np.float16
    ]
    if halves and version < QDQ_OPSET:
        yield f"{halves[0]}: float16 scale in opset {version}; it came with opset {QDQ_OPSET}"


def _pair(network: Network, node: NodeProto) -> Iterator[str]:
    scale = _scale(network, node)
    if scale.size == 0:
        yield f"scale {node.input[1]} is not a constant"
        return
    if not np.all(np.isfinite(scale)) or scale.min() <= 0:
        yield f"scale {float(scale.min()):g}; scales must be positive and finite"
    dtype, zero = _integers(network, node)
    if dtype != TensorProto.INT8:
        yield f"{TensorProto.DataType.Name(dtype)}; only INT8 is accepted (int32 biases and uint8 are not)"
    if zero is not None and np.any(zero):
        yield f"zero point {int(np.asarray(zero).flat[np.flatnonzero(zero)[0]])}; it must be 0"
    if scale.ndim and scale.size > 1:
        readers = network.readers(node.output[0])
        if node.op_type == "QuantizeLinear" or node.input[0] not in network.weights:
            yield f"{scale.size} scales; an activation has one"
        elif any(r.op_type == "Conv" and attribute(node, "axis", 1) != 0 for r in readers):
            yield f"scales along axis {attribute(node, 'axis', 1)}; a convolution's weights have them along axis 0"


def _other(network: Network, node: NodeProto) -> Iterator[str]:
    if node.op_type == "Conv":
        quantized = [_dequantized(network, name) for name in node.input[:2]]
        if any(quantized) != all(quantized):
            yield "only one of input and weights has a pair, so it does not run in int8"
        if len(node.input) > 2 and _dequantized(network, node.input[2]):
            yield "its bias is quantized; it must be floating-point"
    if node.op_type == "Add" and all(_dequantized(network, name) for name in node.input):
        origins = [_before_pair(network, name) for name in node.input]
        if any(origin is not None and origin.op_type == "Conv" for origin in origins):
            yield "both operands have pairs; the one behind the convolution must not, or it cannot take up the sum"
    if node.op_type == "Concat":
        pairs = [network.maker(name) for name in node.input if _dequantized(network, name)]
        scales = {float(_scale(network, pair)) for pair in pairs if pair is not None}
        if len(scales) > 1:
            yield f"its inputs have {len(scales)} different scales, so that all but one are requantized"


def _scale(network: Network, node: NodeProto) -> Array:
    return network.weights.get(node.input[1], np.empty(0))


def _integers(network: Network, node: NodeProto) -> tuple[int, Array | None]:
    """The integer type of a Q or DQ and its zero point, None where it is left out."""
    if len(node.input) > 2 and node.input[2]:
        zero = network.weights.get(node.input[2])
        if zero is not None:
            return int(onnx.helper.np_dtype_to_tensor_dtype(zero.dtype)), zero
    stored = network.weights.get(node.input[0])
    if node.op_type == "DequantizeLinear" and stored is not None:
        return int(onnx.helper.np_dtype_to_tensor_dtype(stored.dtype)), None
    return int(TensorProto.UINT8), None  # the standard's default


def _dequantized(network: Network, tensor: str) -> bool:
    maker = network.maker(tensor)
    return maker is not None and maker.op_type == "DequantizeLinear"


def _before_pair(network: Network, tensor: str) -> NodeProto | None:
    """What made the tensor that the pair before `tensor` quantizes."""
    dequantize = network.maker(tensor)
    quantize = network.maker(dequantize.input[0]) if dequantize is not None else None
    return network.maker(quantize.input[0]) if quantize is not None else None
