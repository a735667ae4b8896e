"""A second or two of each fuzz target, always the same inputs; `make fuzz` goes on for as long as one likes."""

from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.run import answer
from tests.fuzz.targets import TARGETS

INPUTS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_a_mutated_input_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    corpus = target.seeds(tmp_path)
    path = tmp_path / f"input{target.suffix}"
    for content in corpus:
        path.write_bytes(content)
        if name != "toml":  # whose pack and cameras are nowhere
            assert answer(target, path) == "read"
    random, answers = np.random.default_rng(1), set()
    for _ in range(INPUTS):
        path.write_bytes(mutated(corpus, random))
        answers.add(answer(target, path))
    assert len(answers) > 1  # the mutations are not all the same to it
