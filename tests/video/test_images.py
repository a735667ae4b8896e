from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError, NotFoundError
from edge.video.images import ImageFiles, natural_key, read_image
from tests import tiny

_BUFFER = np.empty((128, 128, 3), np.uint8)


def test_natural_order() -> None:
    names = ["b1", "a10.png", "a9.png", "a010.png", "a1b2.png", "a1b10.png"]
    ordered = sorted(map(Path, names), key=natural_key)
    assert [path.name for path in ordered] == ["a1b2.png", "a1b10.png", "a9.png", "a10.png", "a010.png", "b1"]


@pytest.mark.parametrize("pattern", ["", "/*.png", "/frame*"])
def test_a_folder_or_glob_gives_its_images_in_natural_order(tmp_path: Path, pattern: str) -> None:
    folder = tiny.write_images(tmp_path / "pictures")
    (folder / "notes.txt").write_text("not an image")
    source = ImageFiles(f"{folder}{pattern}")
    assert (source.size, source.frame_count, source.frame_rate) == ((128, 128), 12, 30.0)
    for number in range(1, 13):
        frame = source.read(_BUFFER)
        assert frame is not None
        assert (frame.number, frame.time_s) == (number, pytest.approx((number - 1) / 30))
        np.testing.assert_array_equal(frame.image, tiny.picture(number))
    assert source.read(_BUFFER) is None


def test_the_frame_rate_of_a_benchmark_sequence_comes_from_seqinfo(tmp_path: Path) -> None:
    folder = tiny.write_images(tmp_path / "img1")
    (tmp_path / "seqinfo.ini").write_text(
        "[Sequence]\nname=x\nimDir=img1\nframeRate=14\nseqLength=12\nimWidth=128\nimHeight=128\nimExt=.png\n"
    )
    assert ImageFiles(str(folder)).frame_rate == 14
    assert ImageFiles(str(folder), 7.0).frame_rate == 7


def test_one_file_is_a_source_of_one_frame(tmp_path: Path) -> None:
    source = ImageFiles(str(tiny.write_images(tmp_path / "p") / "frame3.png"))
    assert source.frame_count == 1


@pytest.mark.parametrize("text", ["empty", "*.jpg", "none.png"])
def test_no_images_are_not_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="expected images"):
        ImageFiles(str(tmp_path / text))


def test_images_of_different_sizes_are_bad_data(tmp_path: Path) -> None:
    folder = tiny.write_images(tmp_path / "p", frames=3)
    cv2.imwrite(str(folder / "frame2.png"), np.zeros((64, 32, 3), np.uint8))
    source = ImageFiles(str(folder))
    assert source.read(_BUFFER) is not None
    with pytest.raises(DataError, match=r"frame2\.png: expected 128x128 as in frame1\.png, found 32x64"):
        source.read(_BUFFER)


def test_an_image_that_cannot_be_decoded_is_bad_data(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png: expected an image"):
        ImageFiles(str(tmp_path))


def test_what_the_decoder_prints_is_part_of_the_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))[1])
    content[60] ^= 0xFF
    path = tmp_path / "damaged.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.png: expected an image, .*\(libpng error: "):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_an_image_that_is_cut_short_is_said_once_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))[1].tobytes()
    path = tmp_path / "cut.jpg"
    path.write_bytes(content[: len(content) // 2])
    caplog.set_level("INFO")
    assert read_image(path).shape == (32, 32, 3)
    assert capfd.readouterr().err == ""
    assert "cut.jpg: the image is damaged or unusual (Premature end of JPEG file)" in caplog.text
