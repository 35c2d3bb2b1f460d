"""The checker finds missing and repeated frames and nothing else, and the faults are those that it expects."""

from __future__ import annotations

import errno
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import analysis
from tests.faults import shim as shims
from tests.faults.footage import Frame, Recording, Row
from tests.faults.frames import Numbering, compare, place
from tests.faults.outside import Outside, description
from tests.faults.plan import Fault, Kind, draw
from tests.faults.rig import Injected, Watched
from tests.faults.shim import HOST, Shim

EPOCH = 1_790_000_000.0
NUMBERING = Numbering(EPOCH, 10, 640)


def recording(numbers: Sequence[int], clock_s: float = 0.0) -> Recording:
    """A recording of these frames, on a clock that differs from that of the source."""
    made = Recording("rec", 0.0, 0.0, b"", Path("/nowhere"))
    made.frames = [Frame(number % 640, EPOCH + number / 10 + clock_s + 0.2) for number in numbers]
    return made


def fault(costs: tuple[float, float], kind: Kind = Kind.RECORDER_KILLED, stream_id: str = "rts") -> Injected:
    """A fault that may cost the frames of a range of seconds since the epoch."""
    return Injected(Fault(kind, 0.0), 0.0, stream_id=stream_id, costs_from=EPOCH + costs[0], costs_to=EPOCH + costs[1])


def test_frames_of_several_loops_and_recordings_are_complete() -> None:
    found = compare([recording(range(600, 2000)), recording(range(2000, 3000))], "rts", NUMBERING, [])
    assert (found.sent, found.missing, found.twice) == (2400, [], [])


def test_a_single_missing_frame_is_found() -> None:
    numbers = [number for number in range(100, 2000) if number != 1234]
    assert compare([recording(numbers)], "rts", NUMBERING, []).missing == [1234]


def test_frames_missing_between_recordings_are_found() -> None:
    found = compare([recording(range(100, 900)), recording(range(905, 1000))], "rts", NUMBERING, [fault((80.0, 90.0))])
    assert found.missing == [900, 901, 902, 903, 904]


def test_frames_that_a_fault_costs_are_counted_for_it() -> None:
    found = compare([recording(range(100, 900)), recording(range(905, 1000))], "rts", NUMBERING, [fault((89.0, 91.0))])
    assert (found.missing, found.explained, found.worst_s) == ([], {"recorder killed": 5}, {"recorder killed": 0.5})


def test_a_fault_of_another_stream_explains_nothing() -> None:
    found = compare(
        [recording(range(100, 900)), recording(range(901, 950))], "rts", NUMBERING, [fault((89, 91), stream_id="rts-2")]
    )
    assert found.missing == [900]


def test_a_gap_of_several_loops_is_measured() -> None:
    found = compare([recording(range(100, 900)), recording(range(900 + 1500, 2500))], "rts", NUMBERING, [])
    assert len(found.missing) == 1500


def test_frames_that_are_there_twice_are_found() -> None:
    found = compare([recording(range(100, 900)), recording(range(890, 1000))], "rts", NUMBERING, [])
    assert found.twice == list(range(890, 900))


@pytest.mark.parametrize("steps", [(-37.0,), (-3600.0, 41.0), (-307.0, 2.0, -2.0), (3601.0, -37.0)])
def test_frames_are_recognised_whatever_the_clock_was_set_to(steps: tuple[float, ...]) -> None:
    made, injected, at, clock_s = [recording(range(100, 500))], [], 500, 0.0
    for step_s in steps:
        clock_s += step_s
        done = fault((0.0, 0.0), Kind.CLOCK_STEPPED)
        done.step_s = clock_s
        injected.append(done)
        made.append(recording(range(at, at + 300), clock_s))
        at += 300
    found = compare(made, "rts", NUMBERING, injected)
    assert (found.sent, found.missing, found.twice) == (at - 100, [], [])


def looked_at(scenes: Sequence[tuple[int, list[int]]], frames: Sequence[int] = range(200)) -> analysis.Looked:
    """The checker's view of ten recorded windows with these scenes, each the number of its window and its frames."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        db.execute("create table scenes (index_id, start, text, status)")
        first = EPOCH // 2
        values = [("idx", (first + window) * 2, description(frames), "ok") for window, frames in scenes]
        db.executemany("insert into scenes values (?, ?, ?, ?)", values)
        made = recording(frames)
        made.rows = [Row(EPOCH, 20.0, "", 0, 0)]
        stream = Watched("rts", "door", "idx", 0.0)
        bounds = analysis.Bounds(EPOCH - 1, EPOCH + 21)
        return analysis.windows(db, stream, place([made], NUMBERING, []), NUMBERING, bounds, [])


WHOLE = [(window, [20 * window, 20 * window + 10]) for window in range(10)]


def test_windows_that_were_all_looked_at_once_have_no_flaw() -> None:
    found = looked_at(WHOLE)
    assert (found.expected, found.missing.total(), found.twice, found.wrong) == (10, 0, 0, [])


def test_a_window_that_was_not_looked_at_is_found() -> None:
    assert looked_at([*WHOLE[:4], *WHOLE[5:]]).missing.total() == 1


def test_a_window_of_which_no_frame_was_sent_is_not_expected() -> None:
    found = looked_at([*WHOLE[:4], *WHOLE[5:]], [*range(77), *range(100, 200)])
    assert (found.expected, found.missing.total(), found.lost) == (9, 0, [])


def test_missing_windows_are_named_with_their_streams() -> None:
    assert [text.split()[0] for text in looked_at(WHOLE[:8]).lost] == ["door:", "door:"]


def test_a_window_that_was_looked_at_twice_is_found() -> None:
    assert looked_at([*WHOLE, WHOLE[3]]).twice == 1


@pytest.mark.parametrize("frames", [[100, 110], [], [60, 300]])
def test_a_scene_of_other_frames_is_found(frames: list[int]) -> None:
    assert len(looked_at([*WHOLE[:3], (3, frames), *WHOLE[4:]]).wrong) == 1


def test_bytes_without_a_row_and_rows_without_bytes_are_found(tmp_path: Path) -> None:
    header = (16).to_bytes(4, "big") + b"ftyp" + bytes(8)
    fragment = (40).to_bytes(4, "big") + b"moof" + bytes(32) + (60).to_bytes(4, "big") + b"mdat" + bytes(52)
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "0.m4s").write_bytes(header + 3 * fragment)

    def flaws(*rows: tuple[int, int]) -> list[str]:
        made = Recording("rec", 0.0, 0.0, b"", tmp_path)
        made.rows = [Row(number, 1.0, "rec/0.m4s", *row) for number, row in enumerate(rows)]
        return made.flaws()

    assert flaws((16, 100), (116, 200)) == []
    assert flaws((16, 100)) == ["rec/0.m4s has 316 bytes, and its rows end at 116"]
    assert flaws((16, 200), (116, 200)) == ["rec/0.m4s: rows continue at byte 116 instead of 216"]
    assert flaws((16, 100), (216, 100)) == ["rec/0.m4s: rows continue at byte 216 instead of 116"]
    assert flaws((16, 300), (316, 100)) == ["rec/0.m4s has 316 bytes, and its rows end at 416"]
    (tmp_path / "rec" / "0.m4s").write_bytes(header + 3 * fragment + fragment[:99])
    assert flaws((16, 300)) == []  # a power cut took the rest
    (tmp_path / "rec" / "1.m4s").write_bytes(header)
    assert flaws((16, 300)) == ["1.m4s has no row"]


def test_a_plan_is_the_same_for_the_same_seed_and_has_every_kind() -> None:
    kinds = list(Kind)
    plan = draw(7, 2 * len(kinds), kinds)
    assert plan == draw(7, 2 * len(kinds), kinds)
    assert plan != draw(8, 2 * len(kinds), kinds)
    assert {one.kind for one in plan[: len(kinds)]} == set(kinds)
    assert all(one.duration_s <= 3 for one in draw(7, 50, kinds, longest_s=3.0))


def test_some_webhooks_are_received_without_a_confirmation() -> None:
    services = Outside(refuse_every=3)
    confirmed = [services.receive(f"msg-{number}", "{}") for number in range(6)]
    assert confirmed == [True, True, False, True, True, False]
    assert services.receive("msg-2", "{}")
    assert services.webhooks["msg-2"] == 2


def test_every_third_window_is_marked() -> None:
    assert [description([first]).split()[-1] for first in (0, 20, 40, 60)] == ["marked", "20", "40", "marked"]


PROGRAM = """
import json, os, socket, sqlite3, sys, time
folder = sys.argv[1]

def attempt(act):
    try:
        return act()
    except OSError as exc:
        return exc.errno
    except sqlite3.Error as exc:
        return exc.sqlite_errorname

def commit():
    with db:
        db.execute("insert into t values (1)")

def written(path):
    with open(path, "wb", buffering=0) as file:
        return file.write(b"x")

db = sqlite3.connect(folder + "/a.db")
db.execute("create table if not exists t (x)")
for line in sys.stdin:
    found = {
        "inside": attempt(lambda: written(folder + "/file")),
        "outside": attempt(lambda: written(folder + "-file")),
        "new folder": attempt(lambda: os.mkdir(folder + "/" + line.strip())),
        "database": attempt(commit),
        "clock": time.time(),
        "name": attempt(lambda: socket.getaddrinfo(sys.argv[2], 80)[0][4][0]),
        "number": attempt(lambda: socket.getaddrinfo("127.0.0.1", 80)[0][4][0]),
    }
    print(json.dumps(found), flush=True)
"""


@pytest.mark.skipif(bool(shims.unavailable()), reason=shims.unavailable() or "available")
def test_a_running_program_meets_the_faults_that_are_switched_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    shim = Shim(tmp_path, folder)
    command = [sys.executable, "-c", PROGRAM, str(folder), HOST]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=shim.environment
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def look(name: str) -> dict[str, object]:
            other.stdin.write(f"{name}\n")  # pyright: ignore[reportOptionalMemberAccess]
            other.stdin.flush()  # pyright: ignore[reportOptionalMemberAccess]
            found = json.loads(other.stdout.readline())  # pyright: ignore[reportOptionalMemberAccess]
            return {**found, "clock": round(found["clock"] - time.time())}

        healthy = {"inside": 1, "outside": 1, "new folder": None, "database": None, "clock": 0}
        healthy |= {"name": "127.0.0.1", "number": "127.0.0.1"}
        assert look("a") == healthy
        shim.fail_writes(errno.EIO)
        assert look("b") == {**healthy, "inside": 5, "new folder": 5, "database": "SQLITE_CANTOPEN"}
        shim.fail_writes(errno.EROFS)
        assert look("c")["inside"] == errno.EROFS
        shim.fail_writes(0)
        shim.lose_names(True)
        shim.step_clock(-3600)
        assert look("d") == {**healthy, "clock": -3600, "name": -3}
        shim.heal()
        assert look("e") == {**healthy, "clock": -3600}
        other.stdin.close()
