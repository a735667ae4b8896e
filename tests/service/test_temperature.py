"""A board that gets too hot, simulated with files such as the kernel has."""

import logging
from pathlib import Path

import pytest

from edge.service.daemon import Daemon
from edge.service.temperature import CALM_S, COOLER_C, Temperature
from edge.settings import config
from tests.service.daemon.setups import camera, cycle_until, lines, of, write_config
from tests.test_board import tree
from tests.video.fakes import FakeClock


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Two zones, one of which slows the board down from 95 °C on."""
    zones = "sys/class/thermal"
    return tree(
        tmp_path / "board",
        {
            f"{zones}/thermal_zone0/type": "cpu-thermal\n",
            f"{zones}/thermal_zone0/temp": "50000\n",
            f"{zones}/thermal_zone0/trip_point_0_type": "critical\n",
            f"{zones}/thermal_zone0/trip_point_0_temp": "104500\n",
            f"{zones}/thermal_zone0/trip_point_1_type": "passive\n",
            f"{zones}/thermal_zone0/trip_point_1_temp": "95000\n",
            f"{zones}/thermal_zone1/type": "wifi\n",
            f"{zones}/thermal_zone1/temp": "99000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
        },
    )


def warm(board: Path, degrees_c: float, zone: int = 0) -> None:
    (board / f"sys/class/thermal/thermal_zone{zone}/temp").write_text(f"{round(degrees_c * 1000)}\n")


def throttle(board: Path, flags: int) -> None:
    (board / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text(f"{flags:x}\n")


def test_too_hot_is_where_the_kernel_begins_to_slow_the_board_down(board: Path) -> None:
    heat = Temperature(None, board)
    assert heat.cause == ""  # and what has no limit may have any temperature
    for degrees_c, cause in ((94.9, ""), (95.0, "cpu-thermal has 95 °C of 95"), (99.0, "cpu-thermal has 95 °C of 95")):
        warm(board, degrees_c)
        heat.read()
        assert heat.cause == cause
    assert heat.reading.temperatures_c == {"cpu-thermal": 99.0, "wifi": 99.0}


def test_one_limit_for_all(board: Path) -> None:
    assert Temperature(99.5, board).cause == ""
    assert Temperature(70.0, board).cause == "wifi has 99 °C of 70"


def test_the_firmware_says_so(board: Path) -> None:
    heat = Temperature(None, board)
    throttle(board, 0x50000)  # it was so at some time since the start
    heat.read()
    assert heat.cause == ""
    throttle(board, 0x50004)
    heat.read()
    assert "firmware" in heat.cause


def test_cool_again_is_what_stays_cool(board: Path) -> None:
    clock = FakeClock()
    heat = Temperature(None, board, clock)

    def after(seconds: float, degrees_c: float) -> bool:
        clock.now_s += seconds
        warm(board, degrees_c)
        heat.read()
        return bool(heat.cause)

    assert after(1, 96)
    assert after(CALM_S, 95 - COOLER_C + 0.5)  # cooler, but not by enough
    assert after(10 * CALM_S, 95 - COOLER_C + 0.5)
    assert after(1, 80)
    assert after(CALM_S - 1, 80)  # not for long enough
    assert after(1, 91)
    assert after(1, 80)
    assert after(CALM_S - 1, 80)  # counted anew
    assert not after(1, 80)
    assert not after(1, 94)  # warmer, but not too hot


def test_a_board_that_tells_nothing_is_never_too_hot(tmp_path: Path) -> None:
    heat = Temperature(None, tmp_path)
    heat.read()
    assert heat.cause == ""
    heat.start()
    heat.close()


def test_while_the_board_is_too_hot_the_network_rests(
    board: Path, tiny_pack: Path, tiny_video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge")
    cameras = [
        camera("a", tiny_video, loop=True, frame_rate=40.0),
        camera("slow", tiny_video, loop=True, frame_rate=40.0, detect_every=5),
    ]
    path = write_config(tmp_path, tiny_pack, *cameras, more="[heat]\ndetect_every = 3\n")
    clock = FakeClock()
    daemon = Daemon(config.load(path), root=board)
    daemon.temperature._clock = clock
    a, slow = daemon.streams

    def share(frames: int) -> float:
        """Of the next frames of `a`, how many are detected in."""
        tracked, detected = a.tracked, a.detected
        cycle_until(daemon, lambda: a.tracked >= tracked + frames)
        return (a.detected - detected) / (a.tracked - tracked)

    assert share(12) == 1.0
    warm(board, 96)
    daemon.temperature.read()
    daemon.cycle()
    assert (a.detect_every, slow.detect_every) == (3, 5)
    assert share(30) == pytest.approx(1 / 3, abs=0.1)
    warm(board, 60)
    daemon.temperature.read()
    clock.now_s += CALM_S
    daemon.temperature.read()
    daemon.cycle()
    assert (a.detect_every, slow.detect_every) == (1, 5)
    assert share(12) == 1.0
    daemon.close()
    paces = [(line["detect_every"], bool(line["reason"])) for line in of(lines(tmp_path), "a", "pace")]
    assert paces == [(3, True), (1, False)]
    assert of(lines(tmp_path), "slow", "pace") == []
    assert "too hot: cpu-thermal has 96 °C of 95" in caplog.text
    assert "cool again" in caplog.text
    frames = [line["frame"] for line in of(lines(tmp_path), "a", "frame")]
    assert len(frames) == a.tracked  # frames between detections are put out like all others


def test_a_tracker_that_counts_frames_sees_all_of_them_however_hot(
    board: Path, tiny_pack: Path, tiny_video: Path, tmp_path: Path
) -> None:
    warm(board, 99)
    preset = '[tracking]\npreset = "reference"\n'
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video), more=preset)
    daemon = Daemon(config.load(path), root=board)
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    assert daemon.streams[0].detected == daemon.streams[0].tracked == 30
