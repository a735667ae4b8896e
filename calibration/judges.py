"""The judge that fits a detector: of one picture, or of a joint network's two."""

from collections.abc import Sequence

from calibration.gate import DetectorJudge
from calibration.joint_gate import JointJudge
from calibration.runtime import Feed, Runner
from edge.modelpack import Detector


def judge_of(detector: Detector, reference: Runner, feeds: Sequence[Feed]) -> DetectorJudge | JointJudge:
    """The judge of variants of `detector` on `feeds`; `reference` is its float network."""
    kind = JointJudge if detector.is_joint else DetectorJudge
    return kind(detector, reference, feeds)
