"""A detector's last layers as matrix products, which a CPU runtime computes from integers straight to floats.

ONNX Runtime's integer convolution must put out integers. A result with few levels is what nobody wants, and a float
convolution costs 1.0 ms on NanoDet-Plus-m 416 where the integer product with float output costs .3 ms. So each 1x1
convolution behind which there is only reshaping becomes a product of rows of cells, and the transposition at the end
goes away.
"""

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from calibration.network import Network, attribute


def with_matrix_outputs(network: Network) -> Network:
    """The same function; a network whose results are made in any other way is returned as it is."""
    branches = [branch for node in network.nodes if (branch := _output_branch(network, node)) is not None]
    if not branches:
        return network
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    replaced: dict[str, list[NodeProto]] = {}
    batch = "rows.batch"
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), batch))
    for last, join, parts in branches:
        rows = []
        for conv, flat in parts:
            name = conv.output[0]
            weight = network.weights[conv.input[1]][:, :, 0, 0]
            weights[conv.input[1]].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight.T), conv.input[1]))
            shape = f"{conv.input[0]}.matrix.shape"
            if shape not in weights:
                model.graph.initializer.append(numpy_helper.from_array(np.array([weight.shape[1], -1]), shape))
                weights[shape] = model.graph.initializer[-1]
                matrix = helper.make_node("Reshape", [conv.input[0], shape], [f"{conv.input[0]}.matrix"])
                replaced.setdefault(name, []).append(matrix)
            inputs = [f"{conv.input[0]}.matrix", *conv.input[1:]]
            replaced.setdefault(name, []).append(helper.make_node("Gemm", inputs, [name], name, transA=1))
            rows.append(f"{name}.rows")
            replaced[flat.output[0]] = [helper.make_node("Unsqueeze", [name, batch], rows[-1:], rows[-1])]
        replaced[join.output[0]] = []
        replaced[last.output[0]] = [helper.make_node("Concat", rows, list(last.output), last.output[0], axis=1)]
    nodes = [new for node in network.nodes for new in replaced.get(node.output[0], [node])]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    return Network(model)


OutputBranch = tuple[NodeProto, NodeProto, list[tuple[NodeProto, NodeProto]]]


def _output_branch(network: Network, node: NodeProto) -> OutputBranch | None:
    """The output's Transpose, the Concat before it and the pairs of 1x1 convolution and Reshape before that."""
    if node.op_type != "Transpose" or node.output[0] not in network.outputs or attribute(node, "perm", []) != [0, 2, 1]:
        return None
    join = network.maker(node.input[0])
    if join is None or join.op_type != "Concat" or attribute(join, "axis", 0) != 2:
        return None
    parts = []
    for name in join.input:
        flat = network.maker(name)
        conv = network.maker(flat.input[0]) if flat is not None and flat.op_type == "Reshape" else None
        if flat is None or conv is None or not _is_plain(network, conv) or len(network.readers(conv.output[0])) != 1:
            return None
        parts.append((conv, flat))
    return node, join, parts


def _is_plain(network: Network, node: NodeProto) -> bool:
    """Whether this is a convolution of single pixels with a bias."""
    return (
        node.op_type == "Conv"
        and node.input[1] in network.weights
        and network.weights[node.input[1]].shape[2:] == (1, 1)
        and attribute(node, "group", 1) == 1
        and attribute(node, "strides", [1, 1]) == [1, 1]
        and network.bias(node) is not None
    )
