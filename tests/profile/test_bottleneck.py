"""The stage that limits is named, with what to do about it."""

from edge.profile.bottleneck import findings
from tests.profile.samples import live, rate, setup, stage


def test_inference_limits() -> None:
    stages = (stage("decode", 2.0, thread="decode"), stage("wait", 0.01), stage("infer", 45.0), stage("frame", 49.5))
    limit, around, camera = findings(setup(), rate(fps=20.0), stages, live(), 4)
    assert limit.startswith("infer limits: 45.00 ms, 90% of a frame; try an int8 variant")
    assert "--threads 4" in limit
    assert around == "everything around inference takes 4.50 ms a frame, 10.0% of inference"
    assert camera.startswith("the camera's 10 FPS leave room: 20.0 are possible")


def test_what_is_done_already_is_not_proposed() -> None:
    stages = (stage("infer", 45.0), stage("frame", 49.5))
    (limit, _) = findings(setup(rung="onnxruntime-int8", threads=4), rate(fps=20.0), stages, None, 4)
    assert "int8 variant" not in limit
    assert "--threads" not in limit


def test_decoding_limits() -> None:
    stages = (stage("decode", 50.0, thread="decode"), stage("wait", 30.0), stage("infer", 15.0), stage("frame", 20.0))
    decoding, inference, *_ = findings(setup(), rate(fps=20.0), stages, None, 4)
    assert decoding.startswith("decoding limits: 60% of the time everything waits")
    assert inference.startswith("infer comes next: 15.00 ms, 30% of a frame")


def test_a_camera_that_is_too_fast() -> None:
    stages = (stage("infer", 45.0), stage("frame", 49.5))
    *_, camera = findings(setup(), rate(fps=20.0), stages, live(frame_rate=60.0, offered=60, dropped=40), 4)
    assert "60 FPS are more than this board tracks: 67% of the frames were dropped" in camera
