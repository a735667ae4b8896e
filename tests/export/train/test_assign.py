"""Which cell answers for which person."""

import pytest

torch = pytest.importorskip("torch")

from export.train.assign import assign  # noqa: E402
from export.train.detector import cells  # noqa: E402

PRIORS, STRIDES = cells(128, 128)


def test_cells_are_ordered_as_the_network_puts_them_out():
    assert len(PRIORS) == 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2
    assert PRIORS[:3].tolist() == [[0, 0], [8, 0], [16, 0]]
    assert STRIDES.unique().tolist() == [8, 16, 32, 64]


def test_nobody_there_means_no_cell_is_taken():
    found = assign(PRIORS, STRIDES, torch.zeros(len(PRIORS)), torch.zeros(len(PRIORS), 4), torch.zeros(0, 4))
    assert (found.person == -1).all()
    assert (found.iou == 0).all()


def test_a_cell_that_sees_the_person_is_taken_and_knows_how_well():
    truth = torch.tensor([[20.0, 30, 60, 110]])
    boxes = torch.zeros(len(PRIORS), 4)
    cell = int(((PRIORS - torch.tensor([40.0, 64])).abs().sum(1) + STRIDES).argmin())
    boxes[cell] = torch.tensor([20.0, 30, 60, 108])
    found = assign(PRIORS, STRIDES, torch.full((len(PRIORS),), -3.0), boxes, truth)
    assert found.person[cell] == 0
    assert found.iou[cell] == pytest.approx(78 / 80)
    assert (found.person >= 0).sum() == 1  # as many cells as the overlaps sum up to, and at least one


def test_an_untrained_network_starts_near_the_middle_of_everybody():
    truth = torch.tensor([[10.0, 10, 40, 90], [70, 40, 110, 120], [64, 20, 72, 38]])
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    boxes = torch.cat([PRIORS - 2 * STRIDES[:, None], PRIORS + 2 * STRIDES[:, None]], 1)
    found = assign(PRIORS, STRIDES, torch.full((len(PRIORS),), -4.6), boxes, truth)
    for person in range(3):
        mine = found.person == person
        assert mine.any()
        assert (PRIORS[mine] - middle[person]).norm(dim=1).max() < 45
