"""Merges stored results to the items of a timeline: screens, turns of speech, summaries, alerts and states.

Each lane takes the results of one source (an index, a transcript, an alert, a stream) in the order of their time, and
joins repeats. All texts are untrusted, and all times are Unix seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rtstream.models import TimelineChannel
from rtstream.rules.screen_text import ScreenLine, compare, kept_share, same_description, screen_lines

RANK: dict[TimelineChannel, int] = {"health": 0, "scenes": 1, "audio": 2, "transcript": 3, "alerts": 4}
"""Order of items that begin at the same moment."""

PATIENCE_S = 15.0
"""Seconds without a result after which the same screen counts as another appearance, unless windows are long."""
PAUSE_S = 2.0
"""Pause in seconds that ends a turn of speech."""
MAX_TURN = 600
"""Characters of a turn, after which the next sentence begins another one."""
AGAIN_S = 30.0
"""Seconds within which another firing of an alert belongs to the same item."""
MAX_TEXT = 2000
MAX_LATER = 12
"""Lines of a screen that appeared while it was shown. Further ones are only counted."""
DRIFTED = 0.5
"""Share of a screen that must be left of its first look. A page that scrolls becomes another screen in the end."""
LEAST_STILL_S = 20.0
"""A screen that was seen this many seconds before the end of the range is still there. More with long windows."""

Position = tuple[float, int, str, int]
"""Place of an item in the timeline."""


class TimedText(NamedTuple):
    """A text with its times."""

    start: float
    end: float
    text: str


@dataclass
class TimelineItem:
    """One item of a timeline.

    Attributes:
        channel: Its channel.
        stream_id: Its stream.
        number: Number of its first result (scene, segment of a transcript, journal entry).
        start: Its first moment.
        end: Its last moment.
        text: Its text.
        titles: The beginnings of the texts of the items folded into it.
        results: Number of windows, sentences or firings in it.
        items: Number of items folded into it, itself included.
        source: Id of the index or alert, or the engine of a transcript.
        label: Label of an alert, or the state of a stream.
        confidence: Highest confidence of an alert.
        said: Speech during it.
        said_more: Number of turns during it that are not in ``said``.
        later: Lines that appeared on a screen while it was shown.
        later_more: Number of such lines that are not in ``later``.
        already_there: It began before the range.
        still_there: It lasts at the end of the range.
        after: A moment at which it was not there yet, if one is known.
        seen: A moment at which it was seen.
        gone: A moment after ``end`` at which it was no longer there, if one is known.
        start_within_s: Seconds by which ``start`` may be wrong.
        end_within_s: Seconds by which ``end`` may be wrong.
        at: The value of ``start`` before it was made exact, by which items are ordered.
        scene_id: The scene on which an alert fired, or 0.
    """

    channel: TimelineChannel
    stream_id: str
    number: int
    start: float
    end: float
    text: str
    titles: list[str] = field(default_factory=list)
    results: int = 1
    items: int = 1
    source: str = ""
    label: str = ""
    confidence: float | None = None
    said: list[TimedText] = field(default_factory=list)
    said_more: int = 0
    later: list[TimedText] = field(default_factory=list)
    later_more: int = 0
    already_there: bool = False
    still_there: bool = False
    after: float | None = None
    seen: float | None = None
    gone: float | None = None
    start_within_s: float = 0.0
    end_within_s: float = 0.0
    at: float = 0.0
    scene_id: int = 0

    def __post_init__(self) -> None:
        self.at = self.at or self.start

    @property
    def position(self) -> Position:
        """Its place in the timeline."""
        return self.at, RANK[self.channel], self.stream_id, self.number


class SceneWindow(NamedTuple):
    """A stored scene, as far as a timeline needs it.

    Attributes:
        id: Its number.
        start: Start of its window.
        end: End of its window.
        text: The description.
        lines: The lines read on screen as a JSON list, or None.
        read: Whether text on screen was read. None for the scene of a model.
        plain: ``black`` or ``blank`` for such a picture, else empty.
        unchanged: The picture was that of the window before.
        failed: It could not be described.
        last_frame: Time of its last picture, if known. The text on screen was read from it.
        laid_out: The description of the built-in model is the text on screen row by row. Earlier versions added
            other sentences.
    """

    id: int
    start: float
    end: float
    text: str
    lines: str | None = None
    read: bool | None = None
    plain: str = ""
    unchanged: bool = False
    failed: bool = False
    last_frame: float | None = None
    laid_out: bool = False


_COLOURS = re.compile(r"Main colours: [^.]+\.")
_PLAIN = {"black": "The picture is black.", "blank": "The picture is one plain colour."}


class ScreenLane:
    """The screens that one visual index saw in [start, end). ``shorten`` bounds a long list of items."""

    def __init__(
        self,
        stream_id: str,
        index_id: str,
        start: float,
        end: float,
        shorten: Callable[[list[TimelineItem]], list[TimelineItem]],
    ) -> None:
        self._stream_id, self._index_id = stream_id, index_id
        self._start, self._end = start, end
        self._shorten = shorten
        self._items: list[TimelineItem] = []
        self._last: SceneWindow | None = None
        self._first_lines: list[ScreenLine] = []
        self._lines: list[ScreenLine] = []
        self._reached = start
        self.covered: list[tuple[float, float]] = []
        """Ranges in which windows were described."""
        self.failures: list[TimedText] = []
        """The first windows that could not be described, each with its reason."""

    def add(self, window: SceneWindow) -> None:
        """Add the next window."""
        patience = max(PATIENCE_S, 3 * (window.end - window.start))
        if window.failed:
            if len(self.failures) < MAX_TEXT:
                self.failures.append(TimedText(window.start, window.end, window.text))
            return
        if self.covered and window.start - self.covered[-1][1] <= patience:
            self.covered[-1] = (self.covered[-1][0], max(self.covered[-1][1], window.end))
        else:
            self.covered.append((window.start, window.end))
        near = self._last is not None and window.start - self._reached <= patience
        if not (near and self._continues(window)):
            self._begin(window, near=near)
        self._extend(window)
        self._last, self._reached = window, max(window.end, self._reached)

    def _begin(self, window: SceneWindow, *, near: bool) -> None:
        seen = _seen(window)
        after = _seen(self._last) if near and self._last is not None else None
        self._lines = self._first_lines = _lines(window)
        if near:
            self._items[-1].gone = seen
        if len(self._items) >= 2 * MAX_TEXT:
            self._items = self._shorten(self._items)
        start = max(self._start, window.start if after is None else max(window.start, after))
        item = TimelineItem(
            "scenes",
            self._stream_id,
            window.id,
            start,
            start,
            _text(window),
            results=0,
            source=self._index_id,
            already_there=after is None and window.start <= self._start,
            after=after,
            seen=seen,
            start_within_s=max(0.0, seen - start),
        )
        self._items.append(item)

    def _extend(self, window: SceneWindow) -> None:
        item = self._items[-1]
        item.results += 1
        item.end = min(max(item.end, window.last_frame or window.end), self._end)

    def _continues(self, window: SceneWindow) -> bool:
        """Return whether a window shows the screen of the window before. Notes the lines that are new on it."""
        last = self._last
        assert last is not None
        if window.unchanged:
            return True
        if window.read is None and not window.lines:
            return same_description(last.text, window.text)
        if (window.lines, window.plain) == (last.lines, last.plain):
            return True
        if window.plain != last.plain:
            return False
        lines, elapsed_s = _lines(window), max(0.0, window.start - last.start)
        found = compare(self._lines, lines, elapsed_s)
        if not found.same:
            return False
        if found.added:
            since = self._items[-1].start
            if kept_share(self._first_lines, lines, window.end - since) < DRIFTED:
                return False
            self._note_later(window, found.added)
            self._lines = lines
        elif any(line.clocks for line in lines):
            self._lines = lines
        return True

    def _note_later(self, window: SceneWindow, lines: Sequence[ScreenLine]) -> None:
        item = self._items[-1]
        for line in lines:
            if len(item.later) < MAX_LATER:
                item.later.append(TimedText(window.start, _seen(window), line.text[:MAX_TEXT]))
            else:
                item.later_more += 1

    def finish(self) -> list[TimelineItem]:
        """Return the screens, oldest first."""
        if self._items and self._last is not None:
            still = max(LEAST_STILL_S, 3 * (self._last.end - self._last.start))
            self._items[-1].still_there = self._end - self._reached <= still
        return self._items


def _seen(window: SceneWindow) -> float:
    return window.end if window.last_frame is None else window.last_frame


def _lines(window: SceneWindow) -> list[ScreenLine]:
    return screen_lines([str(line) for line in json.loads(window.lines)]) if window.lines else []


def _text(window: SceneWindow) -> str:
    """Return the text of a screen: the lines on it, each once, or the description."""
    if window.laid_out and not _is_json(window.text):
        return window.text[:MAX_TEXT]
    lines = list(dict.fromkeys(str(line) for line in json.loads(window.lines))) if window.lines else []
    if lines:
        return " / ".join(lines)[:MAX_TEXT]
    if window.read is None:
        return window.text[:MAX_TEXT]
    colours = _COLOURS.search(window.text)
    nothing = "There is no text on screen." if window.read else "Text on screen was not read."
    parts = [_PLAIN.get(window.plain, nothing), colours[0] if colours and window.plain != "black" else ""]
    return " ".join(part for part in parts if part)


def _is_json(text: str) -> bool:
    """Return whether a description is the JSON that a prompt asked for."""
    try:
        return text.startswith(("{", "[")) and isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


class SpeechLane:
    """The turns in one transcript, each of which lasts until a pause, a change of the speaker or a certain length."""

    def __init__(
        self, stream_id: str, engine: str, shorten: Callable[[list[TimelineItem]], list[TimelineItem]]
    ) -> None:
        self._stream_id, self._engine = stream_id, engine
        self._shorten = shorten
        self._items: list[TimelineItem] = []
        self._speaker = ""
        self._last = ""

    def add(self, number: int, said: TimedText, speaker: str = "") -> None:
        """Add the next sentence."""
        item = self._items[-1] if self._items else None
        if item is not None and said.text == self._last and said.start < item.end:
            item.results += 1  # the same sentence, from an overlap of live and later transcription
            item.end = max(item.end, said.end)
        elif (
            item is not None
            and said.start - item.end <= PAUSE_S
            and speaker == self._speaker
            and len(item.text) + len(said.text) < MAX_TURN
        ):
            item.text = f"{item.text} {said.text.strip()}"
            item.end = max(item.end, said.end)
            item.results += 1
        else:
            if len(self._items) >= 2 * MAX_TEXT:
                self._items = self._shorten(self._items)
            text = said.text.strip()[:MAX_TEXT]
            self._items.append(
                TimelineItem(
                    "transcript",
                    self._stream_id,
                    number,
                    said.start,
                    said.end,
                    text,
                    source=self._engine,
                    label=speaker,
                )
            )
        self._speaker, self._last = speaker, said.text

    def finish(self) -> list[TimelineItem]:
        """Return the turns, oldest first."""
        return self._items


def summaries(
    stream_id: str, index_id: str, found: Sequence[tuple[int, TimedText]], before: list[TimelineItem]
) -> list[TimelineItem]:
    """Add the summaries of an audio index to those ``before``. Equal ones in a row are one item."""
    for number, one in found:
        last = before[-1] if before else None
        if last is not None and last.text == one.text[:MAX_TEXT]:
            last.end, last.results = max(last.end, one.end), last.results + 1
        else:
            text = one.text[:MAX_TEXT]
            before.append(TimelineItem("audio", stream_id, number, one.start, one.end, text, source=index_id))
    return before


class Firing(NamedTuple):
    """A firing of an alert, as far as a timeline needs it."""

    number: int
    stream_id: str
    alert_id: str
    label: str
    said: TimedText
    confidence: float | None
    scene_id: int = 0


def firings(found: Sequence[Firing]) -> list[TimelineItem]:
    """Return the items of the firings of one alert, oldest first. Those in quick succession are one item."""
    items: list[TimelineItem] = []
    for firing in found:
        last = items[-1] if items else None
        if last is not None and firing.said.start - last.end <= AGAIN_S:
            last.end, last.results = max(last.end, firing.said.end), last.results + 1
            last.confidence = max(
                (one for one in (last.confidence, firing.confidence) if one is not None), default=None
            )
        else:
            text = firing.said.text[:MAX_TEXT]
            items.append(
                TimelineItem(
                    "alerts",
                    firing.stream_id,
                    firing.number,
                    firing.said.start,
                    firing.said.end,
                    text,
                    source=firing.alert_id,
                    label=firing.label,
                    confidence=firing.confidence,
                    scene_id=firing.scene_id,
                    start_within_s=max(0.0, firing.said.end - firing.said.start),
                )
            )
    return items


class StateChange(NamedTuple):
    """A state of a stream's connection, from a moment on."""

    number: int
    at: float
    state: str
    reason: str


QUIET_STATES = ("connected", "connecting")


def interruptions(stream_id: str, changes: Sequence[StateChange], start: float, end: float) -> list[TimelineItem]:
    """Return the times in [start, end) in which a stream was not connected, oldest first.

    Args:
        stream_id: The stream.
        changes: The changes of its state, oldest first, beginning with the state at ``start``.
        start: Start of the range.
        end: End of the range.
    """
    items: list[TimelineItem] = []
    for number, change in enumerate(changes):
        until = changes[number + 1].at if number + 1 < len(changes) else end
        if items and items[-1].end >= change.at > items[-1].start and items[-1].label == change.state:
            items[-1].end, items[-1].results = min(until, end), items[-1].results + 1
        elif change.state not in QUIET_STATES and until > start and change.at < end:
            item = TimelineItem(
                "health", stream_id, change.number, max(change.at, start), min(until, end), change.reason
            )
            item.label, item.already_there = change.state, change.at < start
            item.still_there = until >= end and number + 1 == len(changes)
            items.append(item)
    return items


def set_edges(screens: Sequence[TimelineItem], exact: dict[int, float]) -> None:
    """Set the exact beginnings of screens, and let each screen last until the next one.

    Args:
        screens: The screens of one index, oldest first.
        exact: The exact beginnings that are known, by the number of the screen.
    """
    for place, screen in enumerate(screens):
        if screen.number in exact:
            screen.start, screen.start_within_s = exact[screen.number], 0.0
        before = screens[place - 1] if place else None
        if before is not None and before.gone is not None:
            before.end, before.end_within_s = max(before.start, screen.start), screen.start_within_s
