"""Channels that are followed on paper end up where the published shuffle puts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.shufflenet import Channel, readings


def _published(half: int, blocks: int) -> list[np.ndarray]:
    """What blocks 1, 2, ... read and what leaves the stage, by cutting, joining, reshaping and transposing labels."""

    def shuffled(x: np.ndarray) -> np.ndarray:
        return x.reshape(2, half, 2).transpose(1, 0, 2).reshape(2 * half, 2)

    def source(number: int) -> np.ndarray:
        return np.stack([np.full(half, number), np.arange(half)], axis=1)

    x = shuffled(np.concatenate([source(0), source(1)]))
    read = []
    for block in range(1, blocks):
        passed, convolved = x[:half], x[half:]
        read.append(convolved)
        x = shuffled(np.concatenate([passed, source(block + 1)]))
    return [*read, x]


@given(half=st.integers(1, 40), blocks=st.integers(1, 9), multiple=st.sampled_from([1, 4, 16]))
def test_readings_follow_the_published_shuffle(half: int, blocks: int, multiple: int) -> None:
    found = readings(half, blocks, multiple)
    expected = _published(half, blocks)
    assert len(found) == len(expected) == blocks
    for reading, labels in zip(found, expected, strict=True):
        assert reading.channels == [Channel(*label) for label in labels.tolist()]


@given(half=st.integers(1, 40), blocks=st.integers(1, 9))
def test_every_channel_is_read_exactly_once(half: int, blocks: int) -> None:
    read = [channel for reading in readings(half, blocks, 1) for channel in reading.channels]
    made = [Channel(source, row) for source in range(blocks + 1) for row in range(half)]
    assert sorted(read) == made


@pytest.mark.parametrize(
    ("count", "multiple", "zeros"), [(58, 4, 2), (116, 16, 12), (232, 16, 8), (96, 16, 0), (5, 1, 0)]
)
def test_a_reader_asks_for_as_many_zero_channels_as_its_kernel_wants(count: int, multiple: int, zeros: int) -> None:
    from export.shufflenet import Reading

    assert Reading([Channel(0, i) for i in range(count)], multiple).padding() == zeros
