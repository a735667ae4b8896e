"""The zip that a benchmark's evaluation server takes: one MOTChallenge text a sequence.

MOTChallenge wants the texts in the root of the archive, named like the sequences (motchallenge.net/instructions);
DanceTrack wants them in a folder `tracker` (its evaluation server says so: github.com/DanceTrack/DanceTrack/issues/30).
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from edge.errors import OutputError
from edge.val.dataset import PUBLIC_DETECTORS

_FOLDER = {"DanceTrack": "tracker/"}
# Of these the server expects every sequence once for each public detector; who brings a detector of his own hands in
# the same tracks for all of them.
_THRICE = ("MOT17",)


def names_for(name: str, benchmark: str, known: Mapping[str, Path]) -> list[str]:
    """What the tracks of sequence `name` are called in the archive, `known` being all that there are."""
    if benchmark not in _THRICE:
        return [name]
    bare = next((name.removesuffix(d) for d in PUBLIC_DETECTORS if name.endswith(d)), name)
    return [f"{bare}{d}" for d in PUBLIC_DETECTORS if f"{bare}{d}" == name or f"{bare}{d}" not in known]


def write(path: Path, benchmark: str, tracks: Mapping[str, Path]) -> list[str]:
    """Write the tracks, files by the names of their sequences, to the zip `path`; what lies in it. Raises OutputError.

    The archive is the same, byte by byte, for the same tracks.
    """
    written: list[str] = []
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in tracks.items():
                for copy in names_for(name, benchmark, tracks):
                    entry = zipfile.ZipInfo(f"{_FOLDER.get(benchmark, '')}{copy}.txt")
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, file.read_bytes())
                    written.append(entry.filename)
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error
    return written
