"""Which cell answers for which person."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from export.train.assign import assign  # noqa: E402
from export.train.detector import cells  # noqa: E402

PRIORS, STRIDES = cells(128, 128)


def alone(logits: Any, boxes: Any, truth: Any) -> Any:
    """The assignment of a single picture, in which all of `truth` are people."""
    found = assign(PRIORS, STRIDES, logits[None], boxes[None], truth[None], torch.ones(1, len(truth), dtype=torch.bool))
    return found.person[0], found.iou[0]


def test_cells_are_ordered_as_the_network_puts_them_out() -> None:
    assert len(PRIORS) == 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2
    assert PRIORS[:3].tolist() == [[0, 0], [8, 0], [16, 0]]
    assert STRIDES.unique().tolist() == [8, 16, 32, 64]


def test_nobody_there_means_no_cell_is_taken() -> None:
    somewhere, nobody = torch.tensor([[[20.0, 30, 60, 110]]]), torch.tensor([[False]])
    logits, boxes = torch.zeros(1, len(PRIORS)), torch.zeros(1, len(PRIORS), 4)
    found = assign(PRIORS, STRIDES, logits, boxes, somewhere, nobody)
    assert (found.person == -1).all()
    assert (found.iou == 0).all()


def test_a_cell_that_sees_the_person_is_taken_and_knows_how_well() -> None:
    truth = torch.tensor([[20.0, 30, 60, 110]])
    boxes = torch.zeros(len(PRIORS), 4)
    cell = int(((PRIORS - torch.tensor([40.0, 64])).abs().sum(1) + STRIDES).argmin())
    boxes[cell] = torch.tensor([20.0, 30, 60, 108])
    person, iou = alone(torch.full((len(PRIORS),), -3.0), boxes, truth)
    assert person[cell] == 0
    assert iou[cell] == pytest.approx(78 / 80)
    assert (person >= 0).sum() == 1  # as many cells as the overlaps sum up to, and at least one


def test_an_untrained_network_starts_near_the_middle_of_everybody() -> None:
    truth = torch.tensor([[10.0, 10, 40, 90], [70, 40, 110, 120], [64, 20, 72, 38]])
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    boxes = torch.cat([PRIORS - 2 * STRIDES[:, None], PRIORS + 2 * STRIDES[:, None]], 1)
    found, _ = alone(torch.full((len(PRIORS),), -4.6), boxes, truth)
    for person in range(3):
        mine = found == person
        assert mine.any()
        assert (PRIORS[mine] - middle[person]).norm(dim=1).max() < 45


def test_pictures_of_a_batch_do_not_meet() -> None:
    """Each picture alone, with its own number of people, gets what it gets beside another."""
    generator = torch.Generator().manual_seed(0)
    truths = [torch.tensor([[20.0, 30, 60, 110], [50, 20, 90, 100]]), torch.tensor([[70.0, 10, 100, 90]])]
    logits = torch.randn(2, len(PRIORS), generator=generator)
    reach = STRIDES[:, None] * (1 + 2 * torch.rand(2, len(PRIORS), 2, generator=generator))
    boxes = torch.cat([PRIORS - reach, PRIORS + reach], 2)
    truth, there = torch.zeros(2, 2, 4), torch.tensor([[True, True], [True, False]])
    truth[0], truth[1, :1] = truths
    together = assign(PRIORS, STRIDES, logits, boxes, truth, there)
    for b in range(2):
        person, iou = alone(logits[b], boxes[b], truths[b])
        assert torch.equal(together.person[b], person)
        assert torch.equal(together.iou[b], iou)
