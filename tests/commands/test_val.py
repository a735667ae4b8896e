"""`nanotrack val` from the command line: table, JSON, files, and one sentence for every mistake."""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.val import embeddings
from edge.video.images import read_image
from tests import tiny
from tests.toy import rows, write_sequence

pytest.importorskip("trackeval")


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    for name in ("A", "B"):
        write_sequence(tmp_path / "MOT" / "train" / name)
    return tmp_path / "MOT"


def val(benchmark: Path, *flags: object) -> int:
    return main(["val", "--benchmark", "MOT17", "--data", str(benchmark), *map(str, flags)])


def test_methods_side_by_side(benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = tmp_path / "out", tmp_path / "scores.json"
    methods = "nanotrack,bytetrack:reference:track_thresh=0.5"
    assert val(benchmark, "--methods", methods, "--workers", 1, "--out", out, "--json", file) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if "100.0" in line]
    assert len(lines) == 6  # two sequences and the combined rows, for both methods
    assert printed.err == ""  # no bars where standard error is no terminal
    document = json.loads(file.read_text())
    assert document["frames"] == {"A": 30, "B": 30}
    assert list(document["scores"]) == methods.split(",")
    assert document["scores"]["nanotrack"]["COMBINED"] == {
        **dict.fromkeys(("HOTA", "DetA", "AssA", "MOTA", "IDF1"), 100.0),
        **dict.fromkeys(("IDSW", "FP", "FN", "Frag"), 0),
    }
    assert {str(path.relative_to(out)) for path in out.rglob("*.txt")} == {
        f"{folder}/{name}.txt" for folder in ("nanotrack", "bytetrack_reference_track_thresh=0.5") for name in "AB"
    }


def test_mot15_in_its_own_columns_every_third_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sequence(tmp_path / "gt" / "A", truth=rows(30, "1,4.5,-2.25,0"))
    file = tmp_path / "scores.json"
    flags = ["--benchmark", "MOT15", "--data", tmp_path, "--split", "gt", "--every", 3, "--workers", 1, "--json", file]
    assert main(["val", *map(str, flags)]) == 0
    document = json.loads(file.read_text())
    assert (document["benchmark"], document["every"], document["frames"]) == ("MOT15", 3, {"A": 10})
    assert document["scores"]["nanotrack"]["A"]["HOTA"] == 100


def test_offline_fills_what_online_cannot_know(benchmark: Path, tmp_path: Path) -> None:
    for path in benchmark.rglob("det.txt"):
        lines = path.read_text().splitlines(True)
        path.write_text("".join(line for line in lines if not 10 <= int(line.split(",")[0]) < 16))
    missed = {}
    for name, more in (("online", []), ("offline", ["--offline"])):
        file = tmp_path / f"{name}.json"
        assert val(benchmark, "--workers", 1, "--json", file, *more) == 0
        document = json.loads(file.read_text())
        assert document["offline"] == (name == "offline")
        missed[name] = document["scores"]["nanotrack"]["COMBINED"]["FN"]
    assert missed["online"] > 4
    assert missed["offline"] == 0


def test_existing_tracks_are_scored_in_processes(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracks = tmp_path / "mine"
    tracks.mkdir()
    for name in "AB":
        (tracks / f"{name}.txt").write_text(rows(30, "1,-1,-1,-1"))
    assert val(benchmark, "--tracks", tracks, "--workers", 2) == 0
    assert capsys.readouterr().out.count("mine") == 3


def test_chosen_metrics_intervals_and_a_plot(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, svg, png = (tmp_path / name for name in ("scores.json", "plot.svg", "plot.png"))
    flags = ["--methods", "nanotrack,bytetrack", "--metrics", "hota,LocA,MT,ML", "--intervals", "--workers", 1]
    assert val(benchmark, *flags, "--json", file, "--plot", svg) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["sequence", "method", "HOTA", "LocA", "MT", "ML", "FPS"]
    assert printed[1].split()[:6] == ["COMBINED", "nanotrack", "100.0", "100.0", "4", "0"]
    assert "95 % intervals over sequences, 1000 resamples" in printed
    assert printed[-1].split() == ["bytetrack", "-", "nanotrack", *["+0.0", "to", "+0.0"] * 3]
    document = json.loads(file.read_text())
    assert document["scores"]["bytetrack"]["COMBINED"] == {"HOTA": 100, "LocA": 100, "MT": 4, "ML": 0}
    assert document["intervals"]["nanotrack"]["IDF1"] == [100, 100]
    assert document["fps"]["nanotrack"]["COMBINED"] > 0
    assert all(word in svg.read_text() for word in ("HOTA", "bytetrack"))
    assert val(benchmark, "--workers", 1, "--plot", png) == 0
    assert read_image(png).std() > 10


def test_a_submission_of_sequences_without_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOT17-01-FRCNN", "MOT17-03-FRCNN"):
        shutil.rmtree(write_sequence(tmp_path / "MOT17" / "test" / name) / "gt")
    archive = tmp_path / "MOT17.zip"
    flags = ["--data", str(tmp_path / "MOT17"), "--workers", "1", "--submit", str(archive)]
    monkeypatch.setitem(sys.modules, "trackeval", None)  # nothing is scored
    assert main(["val", "--benchmark", "MOT17", *flags]) == 0
    assert "6 files, MOT17-01-DPM.txt to MOT17-03-SDP.txt" in capsys.readouterr().out
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [f"MOT17-0{n}-{d}.txt" for n in (1, 3) for d in ("DPM", "FRCNN", "SDP")]
        texts = [opened.read(name).decode() for name in opened.namelist()]
    assert len(set(texts)) == 1
    assert all(len(line.split(",")) == 10 for line in texts[0].splitlines())
    assert texts[0].startswith("1,1,100.00,100.00,100.00,100.00,")
    assert main(["val", "--benchmark", "DanceTrack", *flags]) == 0
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["tracker/MOT17-01-FRCNN.txt", "tracker/MOT17-03-FRCNN.txt"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--submit", "a.zip", "--json", "a.json"], 64, "leave out --json"),
        (["--submit", "a.zip", "--methods", "nanotrack,bytetrack"], 64, "one method"),
        (["--submit", "a.zip", "--every", "2"], 64, "leave out --every 2"),
        (["--submit", "nowhere/a.zip", "--split", "train"], 73, "nowhere/a.zip: cannot write it"),
        (["--plot", "a.txt"], 64, "expected a name that ends in .svg"),
        (["--plot", "nowhere/a.svg"], 73, "nowhere/a.svg: cannot write it"),
        (["--methods", "nosuch"], 64, "'nosuch'"),
        (["--methods", "nanotrack:nosuch=1"], 64, "nosuch"),
        (["--preset", "fast"], 64, "preset 'fast' is unknown"),
        (["--tracks", "t", "--offline"], 64, "leave out --offline"),
        (["--every", "0"], 64, "--every 0: expected a number from 1 to 1000"),
        (["--split", "nosuch"], 66, "split 'nosuch', found none"),
        (["--workers", "0"], 64, "--workers 0: expected a number of processes, 1 or more"),
        (["--intervals", "--sequences", "A"], 64, "--intervals: expected 2 or more sequences"),
        (["--tracks", "t", "--detections", "d"], 64, "--detections and --tracks exclude each other"),
        (["--tracks", "t", "--methods", "nanotrack"], 64, "leave out --methods"),
        (["--sequences", "C*"], 66, "expected folders C*/gt/gt.txt"),
        (["--detections", "nowhere"], 66, "nowhere: expected A.txt"),
        (["--model", "nowhere.pack"], 66, "expected images of frames 1 to 30"),
        (["--json", "nowhere/x.json"], 73, "nowhere/x.json: cannot write scores"),
    ],
)
def test_mistakes(
    benchmark: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, message: str
) -> None:
    workers = [] if "--workers" in flags else ["--workers", "1"]
    assert val(benchmark, *flags, *workers) == code
    assert message in capsys.readouterr().err


def test_without_trackeval_nothing_is_run(
    benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trackeval", None)
    assert val(benchmark, "--out", tmp_path / "out") == 69
    assert "python -m pip install --no-deps trackeval==1.3.0 scipy" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def reid_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose embedding is the mean colour of each of four stripes of the crop."""
    path = tmp_path_factory.mktemp("reid") / "stripes.onnx"
    tiny.write_embedder(path)
    return path


def write_pictures(sequence: Path, numbers: range) -> None:
    """The pictures of a sequence of `tests.toy`: person 1 in red, person 2 in blue."""
    (sequence / "img1").mkdir()
    picture = np.zeros((300, 700, 3), np.uint8)
    picture[100:200, 100:200] = 0, 0, 255
    picture[100:200, 500:600] = 255, 0, 0
    for number in numbers:
        cv2.imwrite(str(sequence / "img1" / f"{number:06d}.jpg"), picture)


def test_methods_that_go_by_appearance_share_embeddings_that_are_computed_once(
    benchmark: Path, reid_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "AB":
        write_pictures(benchmark / "train" / name, range(3, 31))
    embedded: list[str] = []
    compute = embeddings.compute

    def counted(*arguments: Any) -> Any:
        embedded.append(arguments[1].name)
        return compute(*arguments)

    monkeypatch.setattr(embeddings, "compute", counted)
    file = tmp_path / "scores.json"
    flags = ["--reid-model", reid_model, "--workers", 1, "--json", file]
    assert val(benchmark, "--methods", "bytetrack,bytetrack:reference,qdtrack", *flags) == 0
    document = json.loads(file.read_text())
    assert sorted(embedded) == ["A", "B"]
    assert document["frames"] == {"A": 28, "B": 28}  # those with a picture
    assert {label: scores["COMBINED"]["HOTA"] for label, scores in document["scores"].items()} == {
        "bytetrack": 100.0,
        "bytetrack:reference": 100.0,
        "qdtrack": 100.0,
    }


def test_identities_follow_appearance_where_motion_is_misled(benchmark: Path, reid_model: Path, tmp_path: Path) -> None:
    """Both are away for a second; then each stands where the other one was."""
    sequence = benchmark / "train" / "A"
    left = {(person, late): 100 if (person == 1) != late else 500 for person in (1, 2) for late in (False, True)}
    present = [frame for frame in range(1, 31) if not 8 <= frame <= 12]
    rows_ = [(f, person, left[person, f > 12]) for f in present for person in (1, 2)]
    (sequence / "gt" / "gt.txt").write_text("".join(f"{f},{p},{x},100,100,100,1,1,1\n" for f, p, x in rows_))
    (sequence / "det" / "det.txt").write_text("".join(f"{f},-1,{x},100,100,100,0.9,-1,-1,-1\n" for f, _, x in rows_))
    write_pictures(sequence, range(1, 13))
    picture = cv2.flip(read_image(sequence / "img1" / "000001.jpg"), 1)
    for number in range(13, 31):
        cv2.imwrite(str(sequence / "img1" / f"{number:06d}.jpg"), picture)
    file = tmp_path / "scores.json"
    flags = ["--sequences", "A", "--reid-model", reid_model, "--workers", 1, "--json", file]
    assert val(benchmark, "--methods", "bytetrack:reference,qdtrack", *flags) == 0
    switches = {label: scores["A"]["IDSW"] for label, scores in json.loads(file.read_text())["scores"].items()}
    assert switches == {"bytetrack:reference": 2, "qdtrack": 0}


def test_appearance_without_a_network_or_pictures(
    benchmark: Path, reid_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert val(benchmark, "--tracking-method", "qdtrack", "--workers", 1) == 64
    assert "appearance needs --reid-model PACK or FILE.onnx" in capsys.readouterr().err
    assert val(benchmark, "--tracking-method", "qdtrack", "--workers", 1, "--reid-model", reid_model) == 66
    assert "expected images of frames 1 to 30" in capsys.readouterr().err
    assert val(benchmark, "--tracks", "t", "--reid-model", reid_model) == 64
    assert "leave out --reid-model" in capsys.readouterr().err
