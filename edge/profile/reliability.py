"""Whether a measurement is reliable: a sentence for each reason why not, with what to do about it."""

from statistics import median

from edge.board import Clock
from edge.profile.report import Machine, Memory, Rate, Sensors, Stage, Thread

# p99 of fewer frames depends on less than three of them.
LEAST_FRAMES = 300
# Shares from which on a figure is off by more than most changes that one wants to measure.
MOST_ELSEWHERE = 0.05
MOST_WAITED = 0.03
MOST_DRIFT = 0.05
HOT_C = 85.0  # Jetsons throttle from about 95 °C, a Raspberry Pi from 80 to 85
MOST_GROWTH_BYTES = 8 << 20


def warnings(
    machine: Machine,
    sensors: Sensors,
    rate: Rate,
    whole: Stage,
    threads: tuple[Thread, ...],
    memory: Memory,
) -> tuple[str, ...]:
    """Every reason to doubt the figures, the most serious first."""
    found = [
        *_held_back(machine.clocks, sensors),
        *_disturbed(sensors, whole, threads),
        *_few(rate),
        *_drifting(whole),
        *unpinned(machine.clocks),
    ]
    growth = memory.end_bytes - memory.start_bytes
    if growth > MOST_GROWTH_BYTES:
        found.append(
            f"memory grew by {growth / 2**20:.0f} MiB in {rate.seconds:.0f} s; measure longer to see whether it goes on"
        )
    return tuple(found)


def _held_back(clocks: tuple[Clock, ...], sensors: Sensors) -> list[str]:
    found = []
    if sensors.throttled:
        found.append("the board was throttled by heat or low voltage; cool it, use a stronger supply, measure again")
    for zone, degrees in sensors.temperatures_most_c.items():
        if degrees >= HOT_C:
            found.append(f"{zone} reached {degrees:.0f} °C, where boards throttle; cool it and measure again")
    for clock in clocks:
        least = sensors.clocks_least_mhz.get(clock.name, clock.most_mhz)
        if clock.is_pinned and least < 0.95 * clock.most_mhz:
            found.append(f"{clock.name} fell to {least} MHz although pinned to {clock.most_mhz}; it was throttled")
    return found


def _disturbed(sensors: Sensors, whole: Stage, threads: tuple[Thread, ...]) -> list[str]:
    found = shared(sensors.elsewhere)
    main = next((thread for thread in threads if thread.name == "main"), None)
    if main and main.waited_ms is not None and main.waited_ms > MOST_WAITED * whole.mean_ms:
        found.append(
            f"the main thread waited {main.waited_ms:.2f} ms a frame for a core; stop other programs or use fewer"
            " --threads"
        )
    return found


def shared(elsewhere: float | None) -> list[str]:
    """What is wrong with cores of which other programs took the share `elsewhere`."""
    if elsewhere is None or elsewhere <= MOST_ELSEWHERE:
        return []
    return [f"other programs took {elsewhere:.0%} of the cores; stop them and measure again"]


def _few(rate: Rate) -> list[str]:
    if rate.frames >= LEAST_FRAMES:
        return []
    return [
        f"{rate.frames} frames: p99 depends on the slowest {rate.frames / 100:.1f} of them; measure {LEAST_FRAMES} or"
        " more with --frames or --seconds"
    ]


def _drifting(whole: Stage) -> list[str]:
    medians = whole.block_medians_ms
    third = len(medians) // 3
    if third < 2:
        return []
    first, last = median(medians[:third]), median(medians[-third:])
    if abs(last / first - 1) <= MOST_DRIFT:
        return []
    return [
        f"the last third took {last / first - 1:+.0%} against the first ({first:.2f} to {last:.2f} ms): heat, or other"
        " programs; measure longer"
    ]


def unpinned(clocks: tuple[Clock, ...]) -> list[str]:
    """What is wrong with clocks that may change."""
    changing = [f"{c.name} {c.least_mhz} to {c.most_mhz} MHz ({c.governor})" for c in clocks if not c.is_pinned]
    if not changing:
        return []
    return [
        f"clocks are not pinned: {', '.join(changing)}; on a Jetson run sudo jetson_clocks, elsewhere set the governor"
        " performance"
    ]
