"""Runs a plan of faults against an engine, checks all that is left, and reports it."""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults import analysis, playback
from tests.faults.analysis import Bounds, Decided, Looked
from tests.faults.footage import reading, recordings, whole_lines
from tests.faults.frames import Footage, Numbering, compare
from tests.faults.injection import inject, slowed
from tests.faults.plan import HARMLESS, Fault, Kind
from tests.faults.playback import Played
from tests.faults.rig import CLIP, START_S, Rig, wait_until
from tests.integration.recorder_processes import recorder_of

SETTLE_S = 30.0
"""Seconds that webhooks and decisions may take after the last fault."""


STALLED_S = 120.0
"""Seconds without progress after which the wait for the analysis of gaps ends."""
BACKFILL_S = 1200.0
"""Seconds that it may take in total after the last fault."""


@dataclass
class Report:
    """Result of a run.

    Attributes:
        footage: Frames by stream.
        rebuilt: The same after the database was removed.
        windows: Windows and their scenes.
        sentences: Sentences and the transcript.
        decided: Decisions, firings and webhooks.
        played: Playlists and exports.
        flaws: Everything else that is wrong.
    """

    footage: dict[str, Footage] = field(default_factory=dict)
    rebuilt: dict[str, Footage] = field(default_factory=dict)
    windows: Looked = field(default_factory=Looked)
    sentences: Looked = field(default_factory=Looked)
    decided: Decided = field(default_factory=Decided)
    played: Played = field(default_factory=Played)
    flaws: list[str] = field(default_factory=list)

    def violations(self, *, strict: bool = False) -> list[str]:
        """Return all broken promises.

        Args:
            strict: Whether every window and sentence must have been analysed, including those of gaps.
        """
        found = list(self.flaws)
        for name, one in [*self.footage.items(), *((f"{name}, rebuilt", two) for name, two in self.rebuilt.items())]:
            found += [f"{name}: {flaw}" for flaw in one.flaws]
            found += [f"{name}: {len(one.missing)} frames are missing: {_ranges(one.missing)}"] * bool(one.missing)
            found += [f"{name}: {len(one.twice)} frames are there twice: {_ranges(one.twice)}"] * bool(one.twice)
        for name, some in (("windows", self.windows), ("sentences", self.sentences)):
            found += [f"{some.twice} {name} were analysed twice"] * bool(some.twice)
            found += some.wrong
            lost = max(0, some.missing.total() - some.counted) if strict else some.unexplained
            if lost:
                found += [f"{lost} {name} were not analysed, and are not counted as skipped or waiting", *some.lost]
        return [*found, *self.decided.flaws, *self.played.flaws]


def perform(
    rig: Rig, plan: Sequence[Fault], show: Callable[[str], None], *, until: float = math.inf, rebuild: bool = True
) -> Report:
    """Carry out a plan and check everything.

    Args:
        rig: A running engine with streams.
        plan: The faults.
        show: Shows a line of progress.
        until: Time on the monotonic clock after which no more faults begin.
        rebuild: Whether to remove the database at the end and compare the frames that are found again.
    """
    for fault in plan:
        if time.monotonic() > until:
            break
        show(str(fault))
        inject(rig, fault)
    _settle(rig)
    report = Report()
    stopped_at = time.time()
    for one in rig.streams:
        rig.engine.set_running(one.id, "stop")
    report.flaws += _wait_for_rows(rig)
    found = {one.id: recordings(rig.data_dir, one.id) for one in rig.streams}
    numbering = Numbering(rig.source.epoch, CLIP.fps, CLIP.fps * CLIP.seconds)
    for one in rig.streams:
        report.footage[one.name] = compare(found[one.id], one.id, numbering, rig.injected)
    _check_analysis(rig, report, numbering, stopped_at)
    for one in rig.streams:
        now = time.time() + (rig.shim.step_s if rig.shim else 0.0)
        report.played += playback.playlist(rig.engine.client, one.id, found[one.id], now)
        report.played += playback.export(rig.engine.client, one.id, found[one.id], rig.folder)
    if rig.ends:
        report.flaws.append(f"the engine ended by itself {rig.ends} times")
    if rebuild:
        _rebuild(rig, report, numbering)
    rig.engine.end(signal.SIGINT)
    left = [one for one in rig.streams if recorder_of(rig.data_dir, one.id)]
    report.flaws += [f"{len(left)} recorders are left after the end"] * bool(left)
    return report


def _settle(rig: Rig) -> None:
    """Wait until every stream is recorded, and every scene is evaluated and delivered."""
    if rig.shim:
        rig.shim.heal()
    for one in rig.streams:
        wait_until(lambda: rig.engine.stream(one.id)["health"]["state"] == "connected", f"{one.name} is back")  # noqa: B023
        before = rig.engine.stream(one.id)["recorded_bytes"]
        wait_until(lambda: rig.engine.stream(one.id)["recorded_bytes"] > before, f"{one.name} is recorded")  # noqa: B023
    with suppress(AssertionError):  # the checks below name the missing results
        _wait_for_gaps(rig)


def _wait_for_gaps(rig: Rig) -> None:
    """Wait until all gaps are analysed, for as long as there is progress."""
    least, moved_at = math.inf, time.monotonic()

    def analysed() -> bool:
        nonlocal least, moved_at
        with reading(rig.data_dir) as db:
            query = """select count(*), total("end" - reached) from gaps where not analysed"""
            number, left_s = db.execute(query).fetchone()
        if left_s < least - 1:
            least, moved_at = left_s, time.monotonic()
        return not number or time.monotonic() > moved_at + slowed(STALLED_S)

    wait_until(analysed, "the analysis of all gaps", BACKFILL_S)


def _wait_for_rows(rig: Rig) -> list[str]:
    """Wait until the rows reflect the whole logs, which they follow. Returns the differences that are left."""

    def differences() -> list[str]:
        with reading(rig.data_dir) as db:
            query = "select stream_id || '/' || id, log_position from recordings"
            applied = dict(db.execute(query).fetchall())
        media = rig.data_dir / "media"
        written = {str(log.parent.relative_to(media)): whole_lines(log) for log in media.glob("*/*/*.log")}
        logs = {name: size for name, size in written.items() if size}
        names = sorted(name for name in {*applied, *logs} if applied.get(name) != logs.get(name))
        return [f"{name}: the row has {applied.get(name)} of {logs.get(name)} bytes" for name in names]

    try:
        wait_until(lambda: not differences(), "the rows of all recordings", slowed(START_S))
    except AssertionError:
        return differences()
    return []


def _check_analysis(rig: Rig, report: Report, numbering: Numbering, stopped_at: float) -> None:
    with reading(rig.data_dir) as db:
        with suppress(AssertionError):  # the checks below name the missing ones
            wait_until(lambda: not analysis.undecided(db, rig.streams), "decisions and webhooks", slowed(SETTLE_S))
        for one in rig.streams:
            within: Bounds = analysis.bounds(one, stopped_at)
            placed = report.footage[one.name].placed
            report.windows += analysis.windows(db, one, placed, numbering, within, rig.injected)
            report.sentences += analysis.sentences(db, one, placed, numbering, within, rig.injected)
            report.decided += analysis.decisions(db, one, rig.services)
            (index,) = rig.engine.stream(one.id)["indexes"]
            report.windows.counted += index["windows_skipped"] + index["windows_failed"] + index["windows_waiting"]
        unknown = analysis.unknown_webhooks(db, rig.services)
        report.flaws += [f"received webhook {one} is not in the database" for one in unknown]
        missing = analysis.missing_numbers(db)
        report.flaws += [f"{missing} journal entries are missing"] * bool(missing)


def _rebuild(rig: Rig, report: Report, numbering: Numbering) -> None:
    """Remove the database, and compare the recordings that the next engine finds."""
    rig.engine.end(signal.SIGINT)
    rig.ended()
    for path in rig.data_dir.glob("rtstream.db*"):
        shutil.move(path, rig.folder / f"before-{path.name}")
    rig.start()
    report.flaws += [f"rebuilt: {one}" for one in _wait_for_rows(rig)]
    for one in rig.streams:
        report.rebuilt[one.name] = compare(recordings(rig.data_dir, one.id), one.id, numbering, rig.injected)


def _ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers as ranges, at most five."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    text = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges[:5])
    return text + (" and more" if len(ranges) > 5 else "")


def table(report: Report, rig: Rig) -> str:
    """Return the report as a table."""
    rows = [
        "| Fault | times | frames it cost | worst range | windows not looked at | sentences not transcribed |",
        "|---|---|---|---|---|---|",
    ]
    times = Counter(one.fault.kind for one in rig.injected)
    footage = report.footage.values()
    for kind in [*sorted(times), ""]:
        name, cost = kind or "none of them", sum(one.explained[kind] for one in footage)
        worst = max((one.worst_s.get(kind, 0.0) for one in footage), default=0.0)
        if not kind:
            cost = sum(len(one.missing) for one in footage)
        lost = f"{cost}{' (promised: 0)' if kind in HARMLESS else ''}"
        row = [name, times[Kind(kind)] if kind else "", lost, f"{worst:.1f} s" if worst else ""]
        rows.append(
            "| " + " | ".join(map(str, [*row, report.windows.missing[kind], report.sentences.missing[kind]])) + " |"
        )
    totals = {
        "frames sent while connected": sum(one.sent for one in footage),
        "frames there twice": sum(len(one.twice) for one in footage),
        "windows recorded / looked at twice": f"{report.windows.expected} / {report.windows.twice}",
        "windows that the engine counts as skipped, failed or waiting": report.windows.counted,
        "sentences recorded / transcribed twice": f"{report.sentences.expected} / {report.sentences.twice}",
        "decisions / firings": f"{report.decided.decisions} / {report.decided.firings}",
        "webhooks received / more than once": f"{report.decided.webhooks} / {report.decided.repeated}",
        "frames in playlists and exports": report.played.frames,
        "slowest start of the engine": f"{max(rig.starts_s):.1f} s",
        "broken promises": len(report.violations()),
    }
    return "\n".join([*rows, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in totals.items())])
