from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import frames
from edge.errors import DataError, NotFoundError


def _write(folder: Path, count: int, alike: bool = False, size: tuple[int, int] = (40, 60)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (*size, 3)).astype(np.uint8)
    for i in range(count):
        if not alike:
            picture = np.full((*size, 3), random.integers(0, 255, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    return folder


def test_the_choice_is_varied_and_always_the_same(tmp_path: Path) -> None:
    folder = _write(tmp_path / "many" / "deeper", 40)
    _write(tmp_path / "many", 30, alike=True)
    found = frames.find(20, str(tmp_path / "many"))
    assert found == frames.find(20, str(tmp_path / "many"))
    assert len(found.chosen) == 20
    assert found.distinct == 20  # thirty equal ones count as one
    names = [found.sources[i] for i in found.chosen]
    assert sum(Path(name).parent == folder for name in names) == 19
    assert len(list(found.pictures())) == 20


def test_another_picture_is_another_hash(tmp_path: Path) -> None:
    folder = _write(tmp_path / "a", 16)
    first = frames.find(16, str(folder)).sha256
    cv2.imwrite(str(folder / "3.png"), np.full((40, 60, 3), 77, np.uint8))
    assert frames.find(16, str(folder)).sha256 != first


def test_a_list_names_pictures_of_different_sizes_beside_it(tmp_path: Path) -> None:
    _write(tmp_path / "a", 10)
    _write(tmp_path / "b", 10, size=(30, 30))
    lines = [f"{folder}/{i}.png" for folder in "ab" for i in range(10)]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    shapes = {picture.shape for picture in frames.find(100, str(tmp_path / "list.txt")).pictures()}
    assert shapes == {(40, 60, 3), (30, 30, 3)}


def test_a_pattern_names_pictures_of_different_sizes(tmp_path: Path) -> None:
    _write(tmp_path / "a", 10)
    _write(tmp_path / "b", 10, size=(30, 30))
    found = frames.find(100, f"{tmp_path}/*/?.png")
    assert found == frames.find(100, str(tmp_path))
    with pytest.raises(NotFoundError, match=r"b/\*\.jpg: expected images .* found none"):
        frames.find(100, f"{tmp_path}/b/*.jpg")


def test_a_video_is_sampled_over_its_whole_length(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(60):
        writer.write(np.full((48, 64, 3), 4 * i, np.uint8))
    writer.release()
    found = frames.find(16, str(tmp_path / "v.avi"))
    assert found.chosen[0] < 10
    assert found.chosen[-1] > 50
    assert [p.shape for p in found.pictures()] == [(48, 64, 3)] * 16


def test_too_few_and_all_alike_are_refused_with_the_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least 16 pictures, found 5"):
        frames.find(100, str(_write(tmp_path / "few", 5)))
    with pytest.raises(DataError, match=r"found 20 that are all alike"):
        frames.find(100, str(_write(tmp_path / "alike", 20, alike=True)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="expected images"):
        frames.find(100, str(tmp_path / "empty"))
    with pytest.raises(NotFoundError):
        frames.find(100, str(tmp_path / "missing.txt"))


def test_several_places_are_one_set(tmp_path: Path) -> None:
    _write(tmp_path / "a", 10)
    _write(tmp_path / "b", 10, size=(30, 30))
    street = "demo://?people=2&size=320x180&fps=1&frames=2&seed="
    found = frames.find(24, str(tmp_path / "a"), f"{street}5", str(tmp_path / "b"), f"{street}6")
    assert len(found.chosen) == 24
    assert [p.shape[0] for p in found.pictures()] == [40] * 10 + [180] * 2 + [30] * 10 + [180] * 2
    assert found == frames.find(24, str(tmp_path / "a"), f"{street}5", str(tmp_path / "b"), f"{street}6")


def test_a_pattern_names_its_pictures(tmp_path: Path) -> None:
    _write(tmp_path / "a", 20)
    found = frames.find(100, str(tmp_path / "a" / "*[0-7].png"))
    assert len(found.chosen) == len(list(found.pictures())) == 16


def test_a_scene_without_end_is_no_calibration_set() -> None:
    with pytest.raises(DataError, match="expected a scene with an end"):
        frames.find(16, "demo://?people=2")


@pytest.mark.parametrize("text", ["-", "0", "RTSP://me:secret@camera/x", "http://camera/x"])
def test_what_cannot_be_read_twice_is_no_calibration_set(text: str) -> None:
    with pytest.raises(DataError, match="that can be read again and again") as caught:
        frames.find(16, text)
    assert "secret" not in str(caught.value)


def test_halves_are_disjoint_and_whole() -> None:
    first, second = frames.halves(9)
    assert sorted(first + second) == list(range(9))
    assert abs(len(first) - len(second)) <= 1


def test_pairs_of_a_video_are_neighbours(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 10, (64, 48))
    for i in range(40):
        writer.write(np.full((48, 64, 3), 6 * i, np.uint8))
    writer.release()
    found = frames.find(16, str(tmp_path / "v.avi"), in_pairs=True)
    assert len(found.chosen) == 16
    assert 0 not in found.chosen  # the first has none before it
    for picture, before in found.pairs():
        assert before is not None
        assert int(picture[0, 0, 0]) - int(before[0, 0, 0]) == pytest.approx(6, abs=1)


def test_pairs_of_files_are_neighbours_in_a_folder_that_show_one_scene(tmp_path: Path) -> None:
    for name in "abcd":
        grey = np.random.default_rng(ord(name)).integers(40, 200, (40, 60, 3))
        (tmp_path / name).mkdir()
        for i in range(6):
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), (grey + 3 * i).astype(np.uint8))
    found = frames.find(40, str(tmp_path), in_pairs=True)
    assert len(found.chosen) == 20  # all but the first of each
    differences = [picture.astype(int) - before for picture, before in found.pairs()]
    assert all((difference == 3).all() for difference in differences)


def test_what_lies_before_is_part_of_the_hash(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    grey = np.random.default_rng(0).integers(40, 200, (40, 60, 3)).astype(np.uint8)
    for i in range(20):
        cv2.imwrite(str(folder / f"{i:02}.png"), grey + 2 * i)
    first = frames.find(40, str(folder), in_pairs=True)
    cv2.imwrite(str(folder / "00.png"), grey + 1)  # itself not among the chosen
    assert 0 not in first.chosen
    assert frames.find(40, str(folder), in_pairs=True).sha256 != first.sha256


def test_unlike_pictures_are_taken_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for i in range(20):
        cv2.imwrite(str(folder / f"{i:02}.png"), np.full((40, 60, 3), (i * 89) % 250, np.uint8))
    found = frames.find(40, str(folder), in_pairs=True)
    assert len(found.chosen) == 20
    assert sum(before is not None for _, before in found.pairs()) < 4
