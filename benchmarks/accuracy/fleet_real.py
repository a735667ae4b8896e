"""Identities across cameras on real pictures with the real OSNet, as far as pictures at hand can show them.

    python -m benchmarks.accuracy.fleet_real

No recording at hand shows people in several cameras. Three short ones, of which the pictures are there, are therefore
cut in two: what is left of the middle plays a second camera, which the people of the first come to a minute later.
Angle and light are nearly the same, so this is easier than two cameras; and the recordings are short, so that a
tracklet has few embeddings and the fleet nothing to learn from. Detector (NanoDet-Plus-m 416) and appearance network
(OSNet x0.25, trained on MSMT17) are the published ones; daemon's chain, broker and fleet are those of
`benchmarks.accuracy.fleet`. Needs the data folder (NANOTRACK_DATA).
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.accuracy.fleet import Key, View, answered, idf1, owned, watch
from benchmarks.data import needed
from benchmarks.results import table, write_section
from edge.chain.pipeline import Pipeline
from edge.motchallenge import Boxes, read_ground_truth, read_seqinfo
from edge.types import Frame
from edge.video.images import read_image

SEQUENCES = ("PETS-S3-MF1", "TUD-Stadtmitte", "ETH-Sunnyday")
LEFT_OUT = 0.1  # of a recording, in its middle
LATER_S = 60.0  # the second camera's recording begins
_PEOPLE = 1000  # no recording has so many: the people of each have numbers of their own


def part(name: str, place: int, numbers: range, begin_s: float) -> Iterator[tuple[Frame, str]]:
    """The frames `numbers` of recording `name`, the first at `begin_s`, with rows of ground truth."""
    folder = needed("real", "gt", name)
    info, boxes = read_seqinfo(folder / "seqinfo.ini"), read_ground_truth(folder / "gt" / "gt.txt")
    for count, number in enumerate(numbers, 1):
        image = read_image(needed("real", "img", name, "img1", f"{number:06d}{info.image_suffix}"))
        yield Frame(image, count, begin_s + (count - 1) / info.frame_rate), rows(boxes, number, count, place)


def rows(boxes: Boxes, number: int, count: int, place: int) -> str:
    """Ground truth of frame `number` as that of frame `count`."""
    lines = []
    for k in np.flatnonzero(boxes.frames == number).tolist():
        left, top, width, height = boxes.boxes_ltwh[k].tolist()
        person, consider = _PEOPLE * place + int(boxes.ids[k]), int(boxes.scores[k])
        lines.append(f"{count},{person},{left},{top},{width},{height},{consider},{boxes.classes[k]},1\n")
    return "".join(lines)


def seen() -> dict[int, View]:
    """What the six cameras see: 1 to 3 the first parts, 4 to 6 the second ones."""
    views: dict[int, View] = {}
    for place, name in enumerate(SEQUENCES, 1):
        info = read_seqinfo(needed("real", "gt", name) / "seqinfo.ini")
        half = round(info.frame_count * (1 - LEFT_OUT) / 2)
        first, second = range(1, half + 1), range(info.frame_count - half + 1, info.frame_count + 1)
        for view, numbers, begin_s in ((place, first, 0.0), (place + len(SEQUENCES), second, LATER_S)):
            pipeline = Pipeline(
                needed("models", "nanodet-plus-m_416.onnx"),
                reid_model=needed("models", "osnet_x0_25_msmt17_dynamic.onnx"),
                frame_rate=info.frame_rate,
                appearance="ema",
                reid="always",
            )
            views[view] = watch(pipeline, part(name, place, numbers, begin_s), view)
    return views


def returning(owners: dict[Key, int], identities: dict[Key, int]) -> tuple[int, int, int]:
    """People tracked in both parts; how many of them have one number in both; how many share a number with others."""
    half = len(SEQUENCES)
    parts: dict[int, tuple[set[int], set[int]]] = {}
    people: dict[int, set[int]] = {}
    for key, person in owners.items():
        if key in identities:
            parts.setdefault(person, (set(), set()))[key[0] > half].add(identities[key])
            people.setdefault(identities[key], set()).add(person)
    both = [numbers for numbers in parts.values() if all(numbers)]
    mixed = {person for sharing in people.values() if len(sharing) > 1 for person in sharing}
    return len(both), sum(bool(early & late) for early, late in both), len(mixed)


def main() -> None:
    """Measure and write the section of the results."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    views, folder = seen(), Path(tempfile.mkdtemp())
    first, last, _ = answered(views, folder)
    owners = owned(views)
    lines = []
    given = {"boards alone": None, "fleet, at once": first, "fleet, settled": last, "perfect fleet": owners}
    for name, identities in given.items():
        score, count = idf1(views, (768, 576), folder, identities)
        both, found, mixed = returning(owners, identities or {})
        found_of = "" if identities is None else f"{found} of {both}"
        lines.append([name, f"{score:.1f}", str(count), found_of, "" if identities is None else str(mixed)])
        print(" ".join(lines[-1]), flush=True)
    people = len(set(owners.values()))
    columns = ["", "IDF1", "identities", "known again", "mixed up"]
    body = (
        f"{', '.join(SEQUENCES)}: real pictures, each recording cut in two, the second part as another camera a minute"
        f" later; angle and light are nearly the same, which is easier than two cameras. NanoDet-Plus-m 416 and OSNet"
        f" x0.25 as published; {people} people are tracked. IDF1 over all six cameras in percent; how many of those"
        " tracked in both parts have one number in both; how many share a number with somebody else. No recording at"
        " hand shows people in cameras that really differ.\n\n" + table(columns, lines)
    )
    write_section(
        "fleet_real", "A fleet on real pictures", body, "python -m benchmarks.accuracy.fleet_real",
        ("onnxruntime", "paho-mqtt", "trackeval"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
