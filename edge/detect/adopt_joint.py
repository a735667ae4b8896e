"""What a foreign joint network is: understood by the names of its inputs and outputs, as in JointTrackNet's."""

from collections.abc import Sequence

from edge.detect.adopt import class_names
from edge.errors import DataError
from edge.infer.backend import Port
from edge.modelpack import JOINT_OUTPUTS, Detector, ImageInput, NanoDetHead, Source

IMAGE, BEFORE, TRACKS_BEFORE = "image", "pre_img", "pre_hm"
STRIDE = 4
# Of CenterTrack and JointTrackNet, in pixel values, in BGR order.
MEAN_BGR = tuple(255 * value for value in (0.40789654, 0.44719302, 0.47026115))
STD_BGR = tuple(255 * value for value in (0.28863828, 0.27408164, 0.27809835))

_SIZED = ({"ltrb_amodal"}, {"wh", "reg"})


def is_joint(outputs: Sequence[Port]) -> bool:
    """Whether there are dense heads of a joint network: heat map, offsets, embeddings and either form of the box."""
    names = {port.name for port in outputs}
    return {"hm", "tracking", "embedding"} <= names and any(sized <= names for sized in _SIZED)


def joint(file: str, sha256: str, inputs: Sequence[Port], heads: Sequence[Port]) -> Detector:
    """The description of the joint network in ONNX `file` with dense `heads`, once exported; `variants` left empty.

    Raises DataError that says what was found.
    """
    shapes = {port.name: port.shape for port in [*inputs, *heads]}
    shape, hm = shapes.get(IMAGE, ()), shapes.get("hm", ())
    square = len(shape) == 4 and shape[:2] == (1, 3) and shape[2] and shape[3]
    names = [port.name for port in inputs]
    known = {IMAGE, BEFORE, TRACKS_BEFORE}
    if not square or shapes.get(BEFORE) != shape or not set(names) <= known:
        raise DataError(
            f"{file}: a joint network, but not one that is understood: expected inputs {IMAGE} and {BEFORE} [1,3,H,W]"
            f" and at most {TRACKS_BEFORE} [1,1,H,W]; found {', '.join(map(str, inputs))}; export it with these names"
        )
    height, width = shape[2] or 0, shape[3] or 0
    if len(hm) != 4 or hm[0] != 1 or hm[2:] != (height // STRIDE, width // STRIDE) or not hm[1]:
        raise DataError(
            f"{file}: hm is {list(hm)}; expected [1,C,{height // STRIDE},{width // STRIDE}], a cell for {STRIDE} pixels"
        )
    image = ImageInput(
        IMAGE,
        width,
        height,
        "nchw-float32",
        "bgr",
        (MEAN_BGR[0], MEAN_BGR[1], MEAN_BGR[2]),
        (STD_BGR[0], STD_BGR[1], STD_BGR[2]),
        resize="centre",
    )
    head = NanoDetHead("centernet-joint", JOINT_OUTPUTS, (STRIDE,), 0, 0.0, "probabilities")
    return Detector(Source(file, sha256, "joint network (ONNX)"), image, head, class_names(hm[1]), {}, score_floor=0.1)
