"""Joint networks (CenterTrack, FairMOT, JointTrackNet): recognised by the names of their inputs and dense heads.

They compare each frame with the one before, so they have no decoder of a single frame: see `edge.detect.joint`.
"""

from collections.abc import Mapping

from edge.detect.facts import Facts, Picture, listed
from edge.detect.families.family import Family, Reading
from edge.errors import DataError
from edge.modelpack import JOINT, JOINT_OUTPUTS, Detector, Head

IMAGE, BEFORE, TRACKS_BEFORE = "image", "pre_img", "pre_hm"
STRIDE = 4
# Of CenterTrack and JointTrackNet, in pixel values, in BGR order.
MEAN_BGR = (255 * 0.40789654, 255 * 0.44719302, 255 * 0.47026115)
STD_BGR = (255 * 0.28863828, 255 * 0.27408164, 255 * 0.27809835)

_SIZED = ({"ltrb_amodal"}, {"wh", "reg"})


def has_dense_heads(names: set[str]) -> bool:
    """Whether outputs of these names are a joint network's: heat map, offsets, embeddings, one form of the box."""
    return {"hm", "tracking", "embedding"} <= names and any(sized <= names for sized in _SIZED)


def read(facts: Facts) -> list[Reading]:
    """The description of a joint network with dense heads, as it will be once exported.

    Raises DataError that says what was found.
    """
    if not has_dense_heads(set(facts.outputs)):
        return []
    shapes = {name: tensor.shape for name, tensor in {**facts.inputs, **facts.outputs}.items()}
    shape, hm = shapes.get(IMAGE, ()), shapes["hm"]
    known = {IMAGE, BEFORE, TRACKS_BEFORE}
    if len(shape) != 4 or shape[:2] != (1, 3) or shapes.get(BEFORE) != shape or not set(facts.inputs) <= known:
        raise DataError(
            f"{facts.file}: a joint network, but not one that is understood: expected inputs {IMAGE} and {BEFORE}"
            f" [1,3,H,W] and at most {TRACKS_BEFORE} [1,1,H,W]; found {listed(facts.inputs)}; export it so"
        )
    height, width = shape[2:]
    if len(hm) != 4 or hm[0] != 1 or hm[2:] != (height // STRIDE, width // STRIDE):
        raise DataError(
            f"{facts.file}: hm is {list(hm)}; expected [1,C,{height // STRIDE},{width // STRIDE}], a cell for {STRIDE}"
            " pixels"
        )
    picture = Picture(IMAGE, width, height, "nchw-float32").wants("bgr", MEAN_BGR, STD_BGR, "centre")
    head = Head(JOINT, JOINT_OUTPUTS, (STRIDE,))
    return [Reading(Detector(facts.source("joint network"), picture, head, facts.classes(hm[1]), {}))]


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs once exported: lists of K peaks and the heat map."""
    rows: dict[str, tuple[int | None, ...]] = dict.fromkeys(JOINT_OUTPUTS, (1, None, None))
    return rows | {"scores": (1, None), "classes": (1, None)}


JOINT_NETWORK = Family(JOINT, "joint networks: two frames, detections with offsets and embeddings", read, outputs, None)
