"""Joint networks made elsewhere: peaks are searched in the graph, and their dense heads read there alone.

Of JointTrackNet's outputs at a stride of 4 the embeddings alone are 17 MB a frame; of the K best peaks they are 50 KB.
"""

import numpy as np
import onnx

from export.peaks import PEAKS, Decoder


def with_peaks(file: str, model: onnx.ModelProto, peaks: int = PEAKS) -> onnx.ModelProto:
    """A copy of a joint network whose outputs are `edge.modelpack.JOINT_OUTPUTS` in place of its dense heads.

    Raises DataError for a network that cannot be decoded.
    """
    heads = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.output}
    decoder = Decoder(file, heads["hm"], peaks)
    decoder.add("Reshape", ["cell", decoder.integers("k_cells", [peaks])], "cell_list")
    if "ltrb_amodal" in heads:
        _gather(decoder, "ltrb_amodal", "edges", 4)
    else:
        _edges_of_sizes(decoder)
    embedding = heads["embedding"][1]
    _gather(decoder, "tracking", "offsets", 2)
    _gather(decoder, "embedding", "embeddings", embedding)
    return decoder.joined(model, embedding)


def _gather(decoder: Decoder, head: str, name: str, channels: int) -> None:
    """`[1, K, channels]` of a dense head at the peaks."""
    decoder.add("Reshape", [head, decoder.integers(f"{head}_flat", [channels, decoder.cells])], f"{head}_by_cell")
    decoder.add("Gather", [f"{head}_by_cell", "cell_list"], f"{head}_at_peaks", axis=1)
    decoder.add("Transpose", [f"{head}_at_peaks"], f"{head}_rows", perm=[1, 0])
    decoder.add("Unsqueeze", [f"{head}_rows", decoder.integers("first", [0])], name)


def _edges_of_sizes(decoder: Decoder) -> None:
    """Edges from a sub-cell offset and a size, which is no less than 0."""
    _gather(decoder, "wh", "raw_size", 2)
    _gather(decoder, "reg", "middle", 2)
    decoder.add("Relu", ["raw_size"], "size")
    decoder.add("Mul", ["size", decoder.constant("half", np.float32(0.5))], "half_size")
    decoder.add("Sub", ["middle", "half_size"], "upper_left")
    decoder.add("Add", ["middle", "half_size"], "lower_right")
    decoder.add("Concat", ["upper_left", "lower_right"], "edges", axis=2)
