"""Every rival gets its best threshold, ours one setting, and the figures are means and sums of what they say."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import real, trials
from benchmarks.accuracy.sets import Set
from benchmarks.accuracy.trials import Run, Trial, total
from edge.motchallenge import SequenceInfo
from edge.val.dataset import Sequence
from edge.val.run import Setting


def _sequence(folder: Path, name: str, frames: int, score: float, *, clutter: bool = False) -> Sequence:
    """Somebody who walks, and with `clutter` a sign that is seen all the time; at 10 frames a second."""
    truth, seen = folder / f"{name}.gt", folder / f"{name}.det"
    boxes = [f"{f},%s,{100 + 6 * f},50,40,100,%s\n" for f in range(1, frames + 1)]
    signs = [f"{f},-1,500,50,40,100,.9,-1,-1,-1\n" for f in range(1, frames + 1) if clutter]
    truth.write_text("".join(box % (1, "1,1,1") for box in boxes), "utf-8")
    seen.write_text("".join([*(box % (-1, f"{score},-1,-1,-1") for box in boxes), *signs]), "utf-8")
    info = SequenceInfo(name, 10.0, frames, 640, 480, "img1", ".jpg")
    return Sequence(name, info, np.arange(1, frames + 1), truth, seen, None)


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[real.Cell]:
    """Two sequences at two rates, one of them with scores of .5 only."""
    monkeypatch.setattr(real, "workers", lambda: ThreadPoolExecutor(1))
    members = [_sequence(tmp_path, "a", 40, 0.9), _sequence(tmp_path, "b", 20, 0.5)]
    return real.measured([Set("real", "toy", members, (1, 2))])


def test_rivals_have_their_best_threshold(cells: list[real.Cell]) -> None:
    assert [cell.every for cell in cells] == [1, 2]
    for cell in cells:
        assert set(cell.rivals) == {rival.name for rival in real.RIVALS}
        assert all(threshold <= 0.5 for threshold, _ in cell.rivals.values())  # higher ones lose sequence b
        assert cell.best["HOTA"] == max(figures["HOTA"] for _, figures in cell.rivals.values())
        assert cell.ours[real.OURS]["MOTA"] > 90


def test_pooled_is_over_all_and_the_others_are_means(tmp_path: Path) -> None:
    counted = [
        Trial(sequence).run(Setting("bytetrack"))  # from .6 on
        for sequence in (_sequence(tmp_path, "a", 40, 0.9), _sequence(tmp_path, "b", 20, 0.3))
    ]
    first, second = (total([counts]) for counts in counted)
    figures = real.summed(counted)
    assert (first["MOTA"], second["MOTA"]) == (100, 0)
    assert figures["MOTA"] == 50
    assert figures["pooled HOTA"] == pytest.approx(total(counted)["HOTA"])
    assert figures["pooled HOTA"] > figures["HOTA"] == pytest.approx((first["HOTA"] + second["HOTA"]) / 2)


def test_what_stands_where_nobody_is_is_found(tmp_path: Path) -> None:
    trial = Trial(_sequence(tmp_path, "a", 40, 0.9, clutter=True))
    assert 3.5 < trial.standing_false_s(*trial.track(Setting("bytetrack"))) <= 3.9
    tracked, ids = trial.track(Setting("bytetrack"))
    tracked[20], ids[20] = tracked[20][:0], ids[20][:0]  # a pause in the middle
    assert 1.5 < trial.standing_false_s(tracked, ids) <= 2
    moving = [boxes + 30.0 * k for k, boxes in enumerate(tracked)]  # who walks does not stand
    assert trial.standing_false_s(moving, ids) < 0.5
    alone = Trial(_sequence(tmp_path, "b", 40, 0.9))
    assert alone.standing_false_s(*alone.track(Setting("bytetrack"))) == 0


def test_tables_have_every_cell(cells: list[real.Cell]) -> None:
    noise = {("real", every): dict.fromkeys(real.SHOWN, 0.25) for every in (1, 2)}
    text = real.text(cells, noise, {"a": (1.25, 7)})
    assert "toy, every 2nd frame" in text
    assert text.count("± 0.2") == 2 * len(real.SHOWN)
    assert "| a | 1.2 s | 7 |" in text
    assert all(text.count(f"| {rival.name}, 0.") == 2 for rival in real.RIVALS)


def test_the_same_figures_give_the_same_picture(cells: list[real.Cell], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg", tmp_path / "c.svg"]
    for picture, drawn in zip(pictures, (cells, cells, cells[:1]), strict=True):
        real.draw(drawn, picture)
    one, same, other = (picture.read_bytes() for picture in pictures)
    assert one.startswith(b"<?xml")
    assert one == same != other


def test_a_sequence_is_counted_once_for_all_its_runs_in_the_order_asked_for(tmp_path: Path) -> None:
    members = [_sequence(tmp_path, "a", 20, 0.9), _sequence(tmp_path, "b", 40, 0.5)]
    runs = [Run(Setting("bytetrack")), Run(Setting("nanotrack"))]
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(1) as pool:
        found = trials.counts(pool, [(member, runs) for member in members], lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    for member, counted in zip(members, found, strict=True):
        for run, counts in zip(runs, counted, strict=True):
            assert total([counts]) == total([Trial(member).run(run.setting)])
