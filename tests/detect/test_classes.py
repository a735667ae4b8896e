import pytest

from edge.detect.classes import (
    COCO_BY_ANNOTATION,
    COCO_CLASSES,
    are_unreadable,
    class_names,
    class_numbers,
    names_in,
)


@pytest.mark.parametrize(
    ("count", "names"), [(1, ("person",)), (3, ("class_0", "class_1", "class_2")), (80, COCO_CLASSES)]
)
def test_names_for_classes_that_have_none(count: int, names: tuple[str, ...]) -> None:
    assert class_names(count) == names


def test_coco_has_eighty_different_classes_and_ninety_one_numbers() -> None:
    assert len(set(COCO_CLASSES)) == 80
    assert len(set(COCO_BY_ANNOTATION)) == 91
    # The category ids of COCO's annotation files: person 1, stop sign 13, kite 38, toothbrush 90.
    named = {name: COCO_BY_ANNOTATION.index(name) for name in ("person", "stop sign", "kite", "toothbrush")}
    assert named == {"person": 1, "stop sign": 13, "kite": 38, "toothbrush": 90}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'person', 1: 'car'}", ("person", "car")),
        ('["a", "b"]', ("a", "b")),
        ('{"0": "a", "1": "b"}', ("a", "b")),
        ("[1, 2]", ("1", "2")),
        ("[['a'], ['b']]", None),
        ("{0: 'a', 2: 'b'}", None),
        ("a, b", None),
        ("{1: 'person'}", None),
        ("{0: 'person'", None),
        ("__import__('os').system('true')", None),
        ("[" * 5000, None),
        ("", None),
        ("7", None),
    ],
)
def test_names_are_read_from_metadata_and_never_executed(text: str, names: tuple[str, ...] | None) -> None:
    assert names_in({"names": text}) == names
    assert are_unreadable({"names": text}) == (names is None and text != "")


def test_a_name_stands_for_all_classes_that_bear_it() -> None:
    assert class_numbers(["b+a"], ["a", "b", "a", "c"]) == [0, 1, 2]
