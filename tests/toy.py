"""A benchmark folder of one minute's work: two people who stand apart, in MOTChallenge layout."""

from pathlib import Path

FRAMES = 30


def write_sequence(folder: Path, *, frames: int = FRAMES, truth: str | None = None, detections: bool = True) -> Path:
    """`folder` with seqinfo.ini, gt/gt.txt and det/det.txt; detections equal the truth, ids from 1."""
    text = f"[Sequence]\nname={folder.name}\nframeRate=30\nseqLength={frames}\nimWidth=1920\nimHeight=1080\n"
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(text)
    (folder / "gt" / "gt.txt").write_text(truth if truth is not None else rows(frames, "1,1,1"))
    if detections:
        (folder / "det").mkdir()
        (folder / "det" / "det.txt").write_text(rows(frames, "0.9,-1,-1,-1"))
    return folder


def rows(frames: int, rest: str) -> str:
    """Boxes of 100 x 100: person 1 at (100, 100), person 2 at (500, 100)."""
    return "".join(
        f"{frame},{person},{left},100,100,100,{rest}\n"
        for frame in range(1, frames + 1)
        for person, left in ((1, 100), (2, 500))
    )
