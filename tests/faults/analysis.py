"""Compares recorded footage with the results of its analysis: scenes, sentences, decisions and webhooks."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rtstream.testsource.audio import SENTENCE_S, SPOKEN_S
from tests.faults.frames import MOST_LATE_S as LATEST_S
from tests.faults.frames import Numbering, Placed
from tests.faults.injection import slowed
from tests.faults.outside import Outside, description
from tests.faults.rig import WINDOW_S, Injected, Watched

MOST_LATE_S, MOST_EARLY_S = 1.5, 0.3
"""Seconds by which a frame may have been sent before and after the window in which it is shown."""
NEAR_S = 20.0
"""A window belongs to a fault if it ends at most this long after it."""
TOUCH_S = 0.1
"""Overlap of two parts of a sentence that counts as a repetition."""
MARGIN_S = 1.0
"""Seconds around a sentence that must be recorded as well, because recognition cuts at silence."""
HOLE_S = 0.5
"""Seconds without a frame after which the network was silent, so that a sentence is not recorded as a whole."""
FROM_S, UNTIL_S = 3.0, 4.0
"""Seconds after the beginning and before the end of a run that are not counted: analysis starts and ends there."""


@dataclass
class Looked:
    """Results that should be there once for each window or sentence.

    Attributes:
        expected: Number of them.
        missing: Number of missing ones by the kind of fault nearby; empty without one.
        twice: Number of those that are there too often.
        counted: Number of missing ones without a fault nearby that the engine itself counts as skipped or waiting.
        wrong: Results that do not show the recorded frames.
        lost: Descriptions of the missing ones.
    """

    expected: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    counted: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def unexplained(self) -> int:
        """Number of missing ones without a fault nearby that the engine does not count."""
        return max(0, self.missing[""] - self.counted)

    def __add__(self, other: Looked) -> Looked:
        return Looked(
            self.expected + other.expected,
            self.missing + other.missing,
            self.twice + other.twice,
            self.counted + other.counted,
            self.wrong + other.wrong,
            self.lost + other.lost,
        )


@dataclass(frozen=True)
class Bounds:
    """The part of a run in which everything is analysed, in Unix seconds of the computer."""

    start: float
    end: float

    def hold(self, start: float, end: float) -> bool:
        """Whether a range lies in them."""
        return self.start <= start and end <= self.end


def bounds(stream: Watched, stopped_at: float) -> Bounds:
    """Return the part of a run in which a stream is analysed."""
    return Bounds(stream.since + FROM_S, stopped_at - UNTIL_S)


def windows(
    db: sqlite3.Connection,
    stream: Watched,
    placed: Sequence[Placed],
    numbering: Numbering,
    within: Bounds,
    injected: Sequence[Injected],
) -> Looked:
    """Count the recorded windows without a scene, and those of which a frame was looked at twice.

    A window at a seam of two recordings may have a scene of each, and so may one that a clock reached twice.
    """
    clocks = {0.0, *(one.step_s for one in injected)}
    query = "select start, text, status from scenes where index_id = ?"
    scenes: dict[int, list[sqlite3.Row]] = {}
    for row in db.execute(query, [stream.index_id]):
        scenes.setdefault(round(row["start"] / WINDOW_S), []).append(row)
    found = Looked()
    whole: Counter[int] = Counter()
    again = Counter(number for one in placed for number in _whole_windows(one))
    for one in placed:
        for number in _whole_windows(one):
            again[number] -= 1
            start = one.sent_at(number * WINDOW_S)
            empty = one.longest_hole_s(number * WINDOW_S, (number + 1) * WINDOW_S) >= WINDOW_S
            if within.hold(start, start + WINDOW_S) and not empty:
                whole[number] += 1
                if whole[number] > len(scenes.get(number, ())):
                    kind = _near(start, start + WINDOW_S, injected)
                    if kind and again[number] and number in scenes:
                        continue  # the later recording of this moment was looked at
                    found.missing[kind] += 1
                    found.lost.append(f"{stream.name}: window at {number * WINDOW_S} near {kind or 'no fault'}")
    found.expected = whole.total()
    for number, there in scenes.items():
        shown = Counter(frame for row in there for frame in set(_frames(row["text"])))
        found.twice += any(count > 1 for count in shown.values())
        found.wrong += [text for row in there if (text := _wrong(row, number, numbering, clocks))]
    return found


def _whole_windows(placed: Placed) -> Iterator[int]:
    start, end = placed.recording.span
    yield from range(-int(-start // WINDOW_S), int(end // WINDOW_S))


def _frames(text: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", text)]


def _wrong(scene: sqlite3.Row, number: int, numbering: Numbering, clocks: Iterable[float]) -> str:
    """Return how a scene differs from the frames that the source sent in its window, or an empty string.

    Args:
        scene: The scene.
        number: Number of its window.
        numbering: Numbers of the source.
        clocks: All differences of the clock of the programs, in seconds.
    """
    if scene["status"] != "ok":
        return f"the scene of window {number} has the status {scene['status']}"
    named = _frames(scene["text"])
    if not named or scene["text"] != description(named):
        return f"the scene of window {number} has the text {scene['text']!r}"

    def sent_in_it(clock_s: float) -> bool:
        begin = number * WINDOW_S - clock_s
        # On a busy computer, a recording is dated later, as that of the frames may be.
        late_s = min(LATEST_S, slowed(MOST_LATE_S))
        at = [numbering.sent_at(numbering.nearest(one, begin)) - begin for one in named]
        return all(-late_s <= after < WINDOW_S + MOST_EARLY_S for after in at)

    return "" if any(map(sent_in_it, clocks)) else f"window {number} shows {named}"


def sentences(
    db: sqlite3.Connection,
    stream: Watched,
    placed: Sequence[Placed],
    numbering: Numbering,
    within: Bounds,
    injected: Sequence[Injected],
) -> Looked:
    """Count the recorded sentences that are not in the transcript, or there twice."""
    query = "select start, end, text from transcript_segments where stream_id = ? and kind = 'speech' order by start"
    heard: dict[str, list[tuple[float, float]]] = {}
    for row in db.execute(query, [stream.id]):
        heard.setdefault(row["text"], []).append((row["start"], row["end"]))
    query = "select start, end from transcript_segments where stream_id = ? and kind = 'gap'"
    gaps = [tuple(row) for row in db.execute(query, [stream.id])]
    loop_s = numbering.cycle / numbering.fps
    found = Looked()
    for one in placed:
        begin, end = (at - one.clock_s - numbering.epoch for at in one.recording.span)
        for number in range(int(begin // SENTENCE_S) + 1, int(end // SENTENCE_S)):
            sent = number * SENTENCE_S
            if sent - MARGIN_S < begin or sent + SPOKEN_S + MARGIN_S > end:
                continue
            if not within.hold(numbering.epoch + sent - MARGIN_S, numbering.epoch + sent + SPOKEN_S + MARGIN_S):
                continue
            at = numbering.epoch + sent + one.clock_s
            if one.longest_hole_s(at - MARGIN_S, at + SPOKEN_S + MARGIN_S) > HOLE_S:
                continue
            found.expected += 1
            text = f"sentence {round(sent % loop_s / SENTENCE_S)}"
            there = [span for span in heard.get(text, ()) if abs(span[0] - at) < SENTENCE_S]
            if not there:
                kind = _near(at - one.clock_s, at - one.clock_s + SENTENCE_S, injected)
                found.missing[kind] += 1
                found.lost.append(f"{stream.name}: {text} at {at:.1f} near {kind or 'no fault'}")
                found.counted += not kind and any(start < at + SENTENCE_S and at < end for start, end in gaps)
            elif any(after[0] < before[1] - TOUCH_S for before, after in pairwise(there)):
                found.twice += 1
                found.wrong.append(f"{text} was transcribed as {there}")
    found.wrong += ["noise was heard"] * len(heard.get("noise", ()))
    return found


def _near(start: float, end: float, injected: Sequence[Injected]) -> str:
    """Return the kind of the last fault that may have affected a range, or an empty string."""
    near = [one for one in injected if one.began - SENTENCE_S - WINDOW_S <= end and start <= one.ended + NEAR_S]
    return near[-1].fault.kind if near else ""


OLDER = "it is older than the alert"
"""Reason of decisions on windows of a gap from before the alert."""


@dataclass
class Decided:
    """Decisions, firings and webhooks of the scenes."""

    decisions: int = 0
    firings: int = 0
    webhooks: int = 0
    repeated: int = 0
    """Webhooks that were received more than once, with the same id."""
    flaws: list[str] = field(default_factory=list)

    def __add__(self, other: Decided) -> Decided:
        return Decided(
            self.decisions + other.decisions,
            self.firings + other.firings,
            self.webhooks + other.webhooks,
            self.repeated + other.repeated,
            self.flaws + other.flaws,
        )


def undecided(db: sqlite3.Connection, streams: Sequence[Watched]) -> int:
    """Return the number of decisions and webhooks that are still to come."""
    count = 0
    for one in streams:
        query = "select (select count(*) from scenes where index_id = :index and id > :first) * count(*) from alerts"
        values = {"index": one.index_id, "first": one.first_scene}
        (wanted,) = db.execute(f"{query} where index_id = :index", values).fetchone()
        query = "select count(distinct d.alert_id || '/' || d.scene_id) from decisions d join alerts a on"
        query += " a.id = d.alert_id where a.index_id = :index and d.scene_id > :first"
        count += wanted - db.execute(query, values).fetchone()[0]
    return count + db.execute("select count(*) from deliveries where state = 'pending'").fetchone()[0]


def decisions(db: sqlite3.Connection, stream: Watched, services: Outside) -> Decided:
    """Check that each scene was evaluated once by each alert, and that each firing reached its receiver."""
    found = Decided()
    query = "select id, text from scenes where index_id = ? and id > ?"
    texts = dict(db.execute(query, [stream.index_id, stream.first_scene]).fetchall())
    query = "select a.id, e.label from alerts a join events e on e.id = a.event_id where a.index_id = ?"
    for alert_id, word in db.execute(query, [stream.index_id]).fetchall():
        query = "select scene_id, outcome, reason, seq from decisions where alert_id = ?"
        made = [row for row in db.execute(query, [alert_id]) if row["scene_id"] in texts]
        found.decisions += len(made)
        counts = Counter(row["scene_id"] for row in made)
        found.flaws += [f"scene {one} was evaluated {counts[one]} times ({word})" for one in texts if counts[one] != 1]
        fired = [row for row in made if row["outcome"] == "fired"]
        for row in made:
            if row["reason"] == OLDER:
                continue
            if (row["outcome"] == "fired") != (word in texts[row["scene_id"]].split()):
                text = f"the decision on scene {row['scene_id']} ({word}) is {row['outcome']}: {row['reason']}"
                found.flaws.append(text)
        found += _firings(db, alert_id, [row["seq"] for row in fired], services)
    return found


def _firings(db: sqlite3.Connection, alert_id: str, seqs: list[int], services: Outside) -> Decided:
    found = Decided(firings=len(seqs))
    query = "select seq from journal where channel = 'alert' and alert_id = ?"
    entries = Counter(row["seq"] for row in db.execute(query, [alert_id]))
    query = "select id, seq, state from deliveries where alert_id = ?"
    sent = {row["seq"]: row for row in db.execute(query, [alert_id])}
    for seq in seqs:
        if entries[seq] != 1 or seq not in sent:
            found.flaws.append(f"firing {seq} has {entries[seq]} journal entries and {int(seq in sent)} webhooks")
            continue
        delivery = sent[seq]
        times = services.webhooks[delivery["id"]]
        found.webhooks += 1
        found.repeated += times > 1
        if not times or delivery["state"] != "delivered":
            query = "select at, status, error from delivery_attempts where delivery_id = ?"
            tried = [tuple(row) for row in db.execute(query, [delivery["id"]])]
            text = f"webhook {delivery['id']} is {delivery['state']} after {tried} and was received {times} times"
            found.flaws.append(text)
        elif {json.loads(body)["seq"] for body in services.bodies[delivery["id"]]} != {seq}:
            found.flaws.append(f"webhook {delivery['id']} was received with other bodies")
    return found


def unknown_webhooks(db: sqlite3.Connection, services: Outside) -> list[str]:
    """Return the ids of received webhooks that are not in the database."""
    return sorted(services.webhooks.keys() - {row["id"] for row in db.execute("select id from deliveries")})


def missing_numbers(db: sqlite3.Connection) -> int:
    """Return the number of journal entries that are missing between the first and the last."""
    first, last, count = db.execute("select min(seq), max(seq), count(*) from journal").fetchone()
    return (last - first + 1 - count) if count else 0
