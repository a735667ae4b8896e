"""Where the data of the benchmarks lies; docs/results/data.md says where each part of it comes from."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("NANOTRACK_DATA", ROOT.parent / "shared" / "data"))


def needed(*parts: str) -> Path:
    """The file or folder `parts` of the data folder. Exits with a sentence where it is absent."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        raise SystemExit(
            f"{path}: expected data of the benchmarks, found nothing; docs/results/data.md says where to get it, and"
            " NANOTRACK_DATA names its folder"
        )
    return path
