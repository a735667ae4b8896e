"""The contract of a detector family: how a network is recognised, its picture prepared, its outputs decoded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.modelpack import Detector

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Reading:
    """One way to understand a network: its full description, `variants` left empty.

    `doubt` is empty where the file itself shows that the reading is right, and else says what it does not show.
    `assumed` says what no file of the family shows, though all published networks of it agree. Where the file does not
    show how many classes there are, they are not `counted`: their names must be given. `prepares`: networks of the
    family subtract mean and divide by std themselves; of another family's, one that does is asked about. `background`:
    its class 0 stands for nothing, and numbers of objects begin with 1.
    """

    detector: Detector
    doubt: str = ""
    assumed: str = ""
    counted: bool = True
    prepares: bool = False
    background: bool = False


@dataclass(frozen=True)
class Family:
    """Networks that are prepared and decoded alike. `name` is what --family and a pack's `head.type` call it.

    `about` is a line for people: architectures, and how pictures are prepared.
    `read` gives the readings of a network that this family has, none where it is not of the family.
    `outputs` gives the shape that each output of a described network must have, None where any size will do.
    `decoder` makes the decoder of a network's output buffers (float32) for the numbers of the wanted classes and the
    lowest score; None for joint networks, which compare frames: see `edge.detect.joint`.
    """

    name: str
    about: str
    read: Callable[[Facts], Sequence[Reading]]
    outputs: Callable[[Detector], Mapping[str, tuple[int | None, ...]]]
    decoder: Callable[[Detector, Arrays, Sequence[int], float], Decoder] | None
