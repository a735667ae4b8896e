"""The losses pull where they should."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.train import losses  # noqa: E402


def test_quality_focal_is_zero_only_at_the_wanted_quality() -> None:
    quality = torch.tensor([0.0, 0.3, 0.8])
    wanted = torch.logit(quality.clamp(1e-4, 1 - 1e-4))
    assert losses.quality_focal(wanted, quality).max() < 1e-6
    assert losses.quality_focal(wanted + 1, quality)[1:].min() > 1e-3
    logits = torch.zeros(3, requires_grad=True)
    losses.quality_focal(logits, quality).sum().backward()
    assert logits.grad[0] > 0 > logits.grad[2]


def test_distribution_focal_finds_distances_between_bins() -> None:
    distances = torch.tensor([[0.0, 2.25, 3.5, 6.9]])
    logits = torch.zeros(1, 4, 8, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    for _ in range(150):
        optimiser.zero_grad()
        losses.distribution_focal(logits, distances).sum().backward()
        optimiser.step()
    expected = logits.detach().softmax(-1) @ torch.arange(8.0)
    torch.testing.assert_close(expected, distances, atol=0.05, rtol=0)


def test_overlaps_of_known_boxes() -> None:
    first = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 4, 4]])
    second = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [3, 0, 4, 1], [1, 1, 2, 2]])
    iou, giou = losses.overlaps(first, second)
    torch.testing.assert_close(iou, torch.tensor([1.0, 1 / 3, 0, 1 / 16]), atol=1e-5, rtol=0)
    torch.testing.assert_close(giou, torch.tensor([1.0, 1 / 3, -0.5, 1 / 16]), atol=1e-5, rtol=0)


def test_triplets_are_settled_when_people_are_apart() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0], [1, 0.01], [-1, 0], [-1, 0.01]])
    assert losses.triplet(apart, labels) == 0
    mixed = torch.tensor([[1.0, 0], [0, 1], [1, 0.1], [0.1, 1]])
    assert losses.triplet(mixed, labels) > losses.MARGIN


def test_contrast_is_each_pair_of_a_person_against_everybody_else() -> None:
    torch.manual_seed(0)
    embeddings, labels = torch.randn(7, 5), torch.tensor([0, 0, 1, 1, 1, 2, 2])
    unit = (embeddings / embeddings.norm(dim=1, keepdim=True)).numpy()
    losses_of_pairs = []
    for i in range(7):
        for j in range(7):
            if i != j and labels[i] == labels[j]:
                rivals = [losses.COSINE_SCALE * unit[i] @ unit[k] for k in range(7) if labels[k] != labels[i]]
                own = losses.COSINE_SCALE * unit[i] @ unit[j]
                losses_of_pairs.append(np.log(np.exp(own) + np.exp(rivals).sum()) - own)
    assert float(losses.contrast(embeddings, labels)) == pytest.approx(np.mean(losses_of_pairs), rel=1e-5)


def test_contrast_brings_people_together_and_apart() -> None:
    torch.manual_seed(0)
    labels = torch.arange(16) // 4
    embeddings = torch.randn(16, 8, requires_grad=True)
    optimiser = torch.optim.Adam([embeddings], 0.1)
    for _ in range(200):
        optimiser.zero_grad()
        losses.contrast(embeddings, labels).backward()
        optimiser.step()
    unit = torch.nn.functional.normalize(embeddings.detach())
    alike, same = unit @ unit.T, labels[:, None] == labels[None]
    assert alike[same].min() > alike[~same].max() + 0.3


def test_contrast_of_people_seen_once_is_nothing() -> None:
    embeddings = torch.randn(3, 8, requires_grad=True)
    loss = losses.contrast(embeddings, torch.arange(3))
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.isfinite(embeddings.grad).all()
