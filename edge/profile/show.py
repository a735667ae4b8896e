"""Reports as tables on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.console.outgoing import printable
from edge.profile.choices import Choice, Comparison
from edge.profile.difference import CONFIDENCE, differences
from edge.profile.measure import WHOLE
from edge.profile.report import Report, Sensors

MISSING = "not available"


def report(console: Console, found: Report) -> None:
    """One profile: what was measured on what, the stages, what limits, and whether it is reliable."""
    setup, rate = found.setup, found.rate
    console.print(Text(printable(found.machine.name), "bold"))
    facts = Table.grid(padding=(0, 2))
    for name, text in about(found):
        facts.add_row(Text(name, "dim"), text)
    console.print(facts)
    console.print(
        Text(f"\n{rate.fps:.1f} FPS", "bold"),
        f"as fast as possible: {rate.frames} frames in {rate.seconds:.1f} s,"
        f" {rate.people:.1f} people a frame, {setup.width}x{setup.height}",
        highlight=False,
    )
    if (live := found.live) is not None:
        console.print(
            Text(f"{live.tracked / live.seconds:.1f} FPS", "bold"),
            f"of a camera's {live.frame_rate:g} (simulated):"
            f" {live.dropped} of {live.offered} frames dropped, age p50 {live.age_p50_ms:.1f} p99 {live.age_p99_ms:.1f}"
            f" max {live.age_max_ms:.1f} ms, jitter {live.jitter_ms:.1f} ms",
            highlight=False,
        )
    console.print(_stages(found))
    for sentence in found.findings:
        console.print(Text("->", "cyan"), f"{sentence}", highlight=False)
    for sentence in found.warnings:
        console.print(Text("! ", "yellow"), f"{sentence}", highlight=False)


def about(found: Report) -> list[tuple[str, str]]:
    """The facts that a number needs to mean anything, by name."""
    machine, setup, memory = found.machine, found.setup, found.memory
    clocks = ", ".join(
        f"{clock.name} {clock.most_mhz} MHz ({'pinned' if clock.is_pinned else clock.governor})"
        for clock in machine.clocks
    )
    threads = ", ".join(_thread(t.name, t.cpu_ms, t.waited_ms) for t in found.threads if t.cpu_ms >= 0.01)
    return [
        ("pack", f"{setup.pack} on {setup.rung}, {setup.threads} thread{'s' * (setup.threads > 1)}, {setup.method}"),
        ("passed over", "; ".join(setup.passed_over) or "nothing"),
        ("source", f"{setup.source}, {setup.width}x{setup.height} at {setup.frame_rate:g} FPS"),
        ("power mode", machine.power_mode or MISSING),
        ("clocks", clocks or MISSING),
        ("software", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        ("system", f"{machine.system}, driver {machine.driver}"),
        ("memory", f"{memory.end_bytes / 2**20:.0f} MiB resident, {memory.peak_bytes / 2**20:.0f} at most"),
        ("CPU a frame", threads),
        *_felt(found.sensors),
    ]


def _thread(name: str, cpu_ms: float, waited_ms: float | None) -> str:
    return f"{name} {cpu_ms:.2f} ms" + ("" if waited_ms is None else f" (+{waited_ms:.2f} waiting)")


def _felt(sensors: Sensors) -> list[tuple[str, str]]:
    temperatures = ", ".join(
        f"{zone} {sensors.temperatures_before_c.get(zone, most):.0f} to {most:.0f} °C"
        for zone, most in sensors.temperatures_most_c.items()
    )
    power = ", ".join(
        f"{rail} {watts:.2f} W, {sensors.energy_mj[rail]:.0f} mJ a frame" for rail, watts in sensors.power_w.items()
    )
    throttled = {None: MISSING, False: "no", True: "yes"}[sensors.throttled]
    elsewhere = MISSING if sensors.elsewhere is None else f"{sensors.elsewhere:.0%} of the cores"
    return [
        ("temperatures", temperatures or MISSING),
        ("power", power or MISSING),
        ("throttled", throttled),
        ("other programs", elsewhere),
    ]


def _stages(found: Report) -> Table:
    table = Table("stage", "thread", *(f"{name} ms" for name in ("p50", "p90", "p99", "p99.9", "max")), "", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    whole = found.stage(WHOLE)
    for stage in found.stages:
        times = (stage.p50_ms, stage.p90_ms, stage.p99_ms, stage.p999_ms, stage.max_ms)
        part = stage.total_ms / whole.total_ms if whole and stage.thread == whole.thread else None
        style = "bold" if stage is whole else None
        share = "" if part is None or stage.name == "wait" else f"{part:.1%}"
        table.add_row(stage.name, stage.thread, *(f"{time:.3f}" for time in times), share, style=style)
    return table


def choices(console: Console, found: Comparison) -> None:
    """All ways to run a pack side by side, the ones worth choosing marked, and what to take."""
    console.print(Text(printable(found.machine.name), "bold"))
    console.print(f"{found.pack}, {found.source}, {found.width}x{found.height}, in short turns", highlight=False)
    table = Table(*CHOICE_COLUMNS[1:], box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    rung = ""
    for choice in found.choices:
        if choice.rung != rung:
            rung = choice.rung
            table.add_row(Text(rung, "bold"))
        table.add_row(*choice_cells(choice)[1:], style=None if choice.is_worth_it else "dim")
    console.print(table)
    console.print(
        "* nothing with the same method and ReID is as good in FPS, p99, mJ and agrees\n"
        "agrees: share of boxes with float32's identity: how alike, not how good",
        highlight=False,
    )
    console.print(Text("->", "cyan"), f"{found.recommendation}", highlight=False)
    for sentence in found.passed_over:
        console.print(Text(printable(f"passed over {sentence}"), "dim"))
    for sentence in found.warnings:
        console.print(Text("! ", "yellow"), f"{sentence}", highlight=False)


CHOICE_COLUMNS = (
    "rung", "method", "ReID", "threads", "at once", "FPS", "p50 ms", "p99 ms", "mJ", "agrees", ""
)  # fmt: skip


def choice_cells(choice: Choice) -> tuple[str, ...]:
    """A row under `CHOICE_COLUMNS`."""
    return (
        choice.rung,
        choice.method,
        choice.reid,
        str(choice.threads),
        str(choice.at_once),
        f"{choice.fps:.1f}",
        f"{choice.p50_ms:.1f}",
        f"{choice.p99_ms:.1f}",
        "n/a" if choice.energy_mj is None else f"{choice.energy_mj:.0f}",
        "n/a" if choice.agreement is None else f"{choice.agreement:.3f}",
        "*" if choice.is_worth_it else "",
    )


def comparison(console: Console, first: Report, second: Report) -> None:
    """Two profiles side by side, with a verdict for the whole and for each stage."""
    table = Table("", "A ms", "B ms", "B / A", f"{CONFIDENCE:.0%} interval", "B is", box=None)
    for found in differences(first, second):
        colour = {"faster": "green", "slower": "red"}.get(found.verdict, "dim")
        table.add_row(
            found.name,
            f"{found.first_ms:.3f}",
            f"{found.second_ms:.3f}",
            f"{found.ratio:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
            Text(found.verdict, colour),
        )
    console.print(table)
    console.print("The intervals cover what varied within the two runs, not what changes from one run to the next.")
    for name, found_report in (("A", first), ("B", second)):
        for sentence in found_report.warnings:
            console.print(Text("! ", "yellow"), f"{name}: {sentence}", highlight=False)
    for name, a, b in _other(first, second):
        console.print(Text("! ", "yellow"), f"not the same {name}: {a} and {b}", highlight=False)


def _other(first: Report, second: Report) -> list[tuple[str, str, str]]:
    """What else differs between two reports."""
    before, after = dict(about(first)), dict(about(second))
    before["board"], after["board"] = first.machine.name, second.machine.name
    names = ("board", "pack", "source", "power mode", "clocks", "software", "system")
    return [(name, before[name], after[name]) for name in names if before[name] != after[name]]
