"""What tests share: the folder of real data, which is not part of the repository."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data and weights: $NANOTRACK_DATA, else ../shared/data; skips where there is none."""
    folder = Path(os.environ.get("NANOTRACK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder} (NANOTRACK_DATA names another folder)")
    return folder
