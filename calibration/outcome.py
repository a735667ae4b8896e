"""What calibration makes: the variants of each network, the evidence for each, and how they came about."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from calibration.frames import Frames, halves
from calibration.gate import Limits, Verdict
from calibration.runtime import Feed
from calibration.search import Quantized
from calibration.sensitivity import Unit

Boards = Literal["cpu", "tensorrt"]
ALL_BOARDS: tuple[Boards, ...] = get_args(Boards)

COPIES = 3  # perturbed copies of the held-out inputs that a verdict is averaged over


@dataclass(frozen=True)
class VariantFile:
    """One ONNX file of a network and what the gate says of it."""

    name: str
    content: bytes
    opset: int
    passed: bool
    verdict: Verdict


@dataclass
class Outcome:
    """All new variants of one network, and how they came about."""

    variants: list[VariantFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    quantized: dict[str, Quantized] = field(default_factory=dict)
    floats: dict[str, dict[str, str]] = field(default_factory=dict)  # by variant: layer and why
    ranking: list[Unit] = field(default_factory=list)
    held_out: list[Feed] = field(default_factory=list)
    labelled: dict[str, dict[str, float]] = field(default_factory=dict)  # by variant: AP against labels

    def calibration(self) -> dict[str, Any]:
        """What the pack's calibration file says: ranges, methods, layers in float and why, the sensitivity ranking."""
        forms = {}
        for variant, quantized in self.quantized.items():
            ranges = quantized.ranges(self.floats[variant])
            forms[variant] = {
                "ranges_by": str(quantized.methods),
                "equalisation": [asdict(strength) if strength else None for strength in quantized.strengths],
                "errors_of_alternatives": {name: round(error, 6) for name, error in quantized.tried.items()},
                "float_layers": self.floats[variant],
                "ranges": {name: [round(v, 6) for v in covered] for name, covered in ranges.items()},
            }
        ranking = [{**asdict(unit), "worth": unit.worth} for unit in self.ranking]
        return {"notes": self.notes, "forms": forms, "sensitivity": ranking}

    def accuracy(self) -> dict[str, Any]:
        """What the pack's accuracy file says of each variant."""
        verdicts: dict[str, Any] = {
            made.name: {**asdict(made.verdict), "passed": made.passed} for made in self.variants
        }
        return verdicts | ({"against_labels": self.labelled} if self.labelled else {})


@dataclass(frozen=True)
class Settings:
    """The gate's limits, how thoroughly it looks, and which boards get variants."""

    limits: Limits = field(default_factory=Limits)
    boards: Collection[Boards] = ALL_BOARDS
    copies: int = COPIES


@dataclass(frozen=True)
class Calibration:
    """Everything that a pack gets from calibration: `outcomes` by network, judged with `settings` on half of
    `frames`."""

    frames: Frames
    settings: Settings
    outcomes: Mapping[str, Outcome]

    def calibration(self) -> dict[str, Any]:
        """The contents of the pack's calibration file."""
        first, second = halves(len(self.frames.chosen))
        frames = {
            "calibrated_on": len(first),
            "held_out": len(second),
            "distinct": self.frames.distinct,
            "sha256": self.frames.sha256,
        }
        return {"frames": frames} | {name: outcome.calibration() for name, outcome in self.outcomes.items()}

    def accuracy(self) -> dict[str, Any]:
        """The contents of the pack's accuracy file: the gate's limits, and each variant beside the float network."""
        limits = {"limits": asdict(self.settings.limits)}
        return limits | {name: outcome.accuracy() for name, outcome in self.outcomes.items()}
