"""What strangers meet first: one version, and public names that can be seen."""

from importlib import metadata

import edge
from edge import errors


def test_the_version_is_that_of_the_metadata() -> None:
    assert metadata.version("nanotrack-edge") == edge.__version__


def test_what_is_public_can_be_seen() -> None:
    assert set(edge.__all__) <= set(dir(edge))
    public = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert public <= set(edge.__all__)
    for name in edge.__all__:
        assert getattr(edge, name) is not None
