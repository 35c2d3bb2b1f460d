"""Finds the first or the last moment at which a text was on the screen of a stream."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import anyio
from sqlalchemy import Connection

from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.questions import FrameOf
from rtstream.engine.recordings import ScreenEdges
from rtstream.errors import InvalidRequest, NotFound, RTStreamError, Unavailable
from rtstream.models import ShownMoment
from rtstream.perception.protocols import ProviderError, VisionProvider, VisionRequest
from rtstream.rules.fuzzy_text import find, fold
from rtstream.rules.timeline import SceneWindow
from rtstream.states import ExtractionType
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store import timeline as rows
from rtstream.store.database import Database

DEFAULT_S = 86400.0
"""Length in seconds of a range without a start."""
MAX_RANGE_S = 31 * 86400.0
SEARCH_S = 40.0
"""Longest search in seconds. Most MCP clients abandon a call after a minute."""
SAMPLES = 24
"""Pictures that are read where no index has read the range."""
UNREAD_S = 30.0
"""Part of a range at its edge, in seconds, that is searched in the footage if no index has read it."""
NEAR_S = 4.0
"""Range in seconds that is not read any closer. The exact moment is found in it by comparing the pictures."""
STEP_S = 0.002
"""Seconds before the first picture of the next screen, at which the last one is still shown."""


@dataclass(frozen=True)
class TextEdge:
    """The edge of a stretch in which a text was on the screen.

    Attributes:
        shown: Unix time of a picture with the text.
        other: Unix time of a picture without it, before a first moment or after a last one. None if the range begins or
            ends with the text.
    """

    shown: float
    other: float | None


class TextEdges:
    """Finds texts on the screens of streams, in the scenes of visual indexes or else in the footage itself.

    Args:
        db: The database.
        edges: Finds the exact moments at which screens change.
        frame: Returns a frame of a stream.
        calls: Provides the built-in model, which reads pictures.
    """

    def __init__(self, db: Database, edges: ScreenEdges, frame: FrameOf, calls: ModelCalls) -> None:
        self._db = db
        self._edges = edges
        self._frame = frame
        self._calls = calls

    async def find(
        self, stream_id: str, text: str, *, last: bool, start: float | None = None, end: float | None = None
    ) -> ShownMoment:
        """Return the first or the last moment in [start, end) at which a text was on the screen.

        Args:
            stream_id: Id of the stream.
            text: The text. Case, spacing and single misread letters are ignored.
            last: Whether to return the last moment rather than the first.
            start: Unix seconds, by default a day before the end.
            end: Unix seconds, by default now.

        Raises:
            InvalidRequest: The range is invalid.
            NotFound: There is no such stream, or the text was not shown.
            Unavailable: The search took too long.
        """
        now = time.time()
        until = now if end is None else min(end, now)
        since = until - DEFAULT_S if start is None else start
        if not (math.isfinite(since) and math.isfinite(until)) or not 0 < until - since <= MAX_RANGE_S:
            raise InvalidRequest("Pass a start before the end, at most 31 days earlier, as Unix timestamps in seconds.")
        if not any(char.isalnum() for char in text):
            raise InvalidRequest("The text has no letter or digit. Pass words that are on the screen.")
        try:
            with anyio.fail_after(SEARCH_S):
                return await self._find(stream_id, text, since, until, last=last)
        except TimeoutError:
            raise Unavailable(f"The search took longer than {SEARCH_S:.0f} s. Pass a shorter range.") from None

    async def _find(self, stream_id: str, text: str, start: float, end: float, *, last: bool) -> ShownMoment:
        edge, read = await self._db.read(_in_scenes, stream_id, text, start, end, last)
        if edge is None and not read:
            edge = await self._in_footage(stream_id, text, start, end, last=last)
        elif edge is not None and edge.other is None and abs(edge.shown - (end if last else start)) > UNREAD_S:
            # The index began later, or ended earlier.
            part = (edge.shown, end) if last else (start, edge.shown)
            edge = await self._in_footage(stream_id, text, *part, last=last) or edge
        if edge is None:
            hint = "Call search for other words." if read else "No index has read it: call index_visuals, or search."
            raise NotFound(f"This text was not on the screen in this range. {hint}")
        if edge.other is None:
            return ShownMoment(at=edge.shown, already_there=not last, still_there=last)
        if abs(edge.other - edge.shown) > NEAR_S:
            edge = await self._nearer(stream_id, text, edge)
        assert edge.other is not None
        early, late = sorted((edge.shown, edge.other))
        changed = await self._edges.changed_at(stream_id, early, late)
        if changed is None:
            return ShownMoment(at=edge.shown, within_s=round(late - early, 3))
        return ShownMoment(at=changed - STEP_S if last else changed)

    async def _nearer(self, stream_id: str, text: str, edge: TextEdge) -> TextEdge:
        """Halve the range between a picture with the text and one without it, as long as there are pictures."""
        provider, session = self._reader(), secrets.token_hex(8)
        shown, other = edge.shown, edge.other
        assert other is not None
        while provider is not None and abs(other - shown) > NEAR_S:
            at = (shown + other) / 2
            found = await self._shows(provider, session, stream_id, text, at)
            if found is None or not min(shown, other) < found[0] < max(shown, other):
                break
            if found[1]:
                shown = found[0]
            else:
                other = found[0]
        return TextEdge(shown, other)

    async def _in_footage(self, stream_id: str, text: str, start: float, end: float, *, last: bool) -> TextEdge | None:
        """Read pictures of a range, and return the edge of the stretch with the text between two of them."""
        provider, session = self._reader(), secrets.token_hex(8)
        step = max(1.0, (end - start) / SAMPLES)
        times = [start + step * number for number in range(math.ceil((end - start) / step))] + [end - 0.001]
        edge: TextEdge | None = None
        before: float | None = None
        for at in times if provider is not None else ():
            found = await self._shows(provider, session, stream_id, text, at) if provider is not None else None
            if found is None:
                continue
            if found[1]:
                if last:
                    edge = TextEdge(found[0], None)
                else:
                    return TextEdge(found[0], before)
            elif edge is not None and edge.other is None:
                edge = TextEdge(edge.shown, found[0])
            before = found[0]
        return edge

    async def _shows(
        self, provider: VisionProvider, session: str, stream_id: str, text: str, at: float
    ) -> tuple[float, bool] | None:
        """Return the time of the picture at a moment and whether the text is on it, or None if it cannot be read."""
        try:
            picture = await self._frame(stream_id, at)
            answer = await provider.describe(VisionRequest("", [picture], session=session))
        except (RTStreamError, ProviderError):
            return None
        if not answer.changes.text_read:
            return None
        return picture.time, find(text, fold("\n".join(line.text for line in answer.lines))) is not None

    def _reader(self) -> VisionProvider | None:
        """Return the built-in model, unless it is not allowed."""
        try:
            return self._calls.vision("local")
        except ProviderError:
            return None


def _in_scenes(
    conn: Connection, stream_id: str, text: str, start: float, end: float, last: bool
) -> tuple[TextEdge | None, bool]:
    """Return the edge that the visual indexes of a stream saw, and whether any of them read text in the range."""
    stream_rows.get(conn, stream_id)
    edges: list[TextEdge] = []
    read = False
    newest, _, _ = rows.newest(conn)
    for index in index_rows.of_stream(conn, stream_id):
        if index.extraction_type is not ExtractionType.TIME:
            continue
        windows = [one for one in rows.scene_windows(conn, index.id, start, end, newest) if not one.failed]
        read = read or any(one.read for one in windows)
        if (edge := edge_of(windows, text, last=last)) is not None:
            edges.append(edge)
    if not edges:
        return None, read
    return (max if last else min)(edges, key=lambda edge: edge.shown), read


def edge_of(windows: Iterable[SceneWindow], text: str, *, last: bool) -> TextEdge | None:
    """Return the edge of the first or last stretch of windows that show a text, or None if none does.

    Args:
        windows: The scenes of one index, oldest first.
        text: The text.
        last: Whether to return the last edge rather than the first.
    """
    edge: TextEdge | None = None
    before: float | None = None
    shows = False
    for window in windows:
        if not window.unchanged:
            shows = _shows(text, window.text, window.lines)
        at = window.end if window.last_frame is None else window.last_frame
        if shows and not last:
            return TextEdge(at, before)
        if shows:
            edge = TextEdge(at, None)
        elif edge is not None and edge.other is None:
            edge = TextEdge(edge.shown, at)
        before = at
    return edge


@lru_cache(maxsize=2048)
def _shows(text: str, description: str, lines: str | None) -> bool:
    shown = "\n".join(str(line) for line in json.loads(lines)) if lines else description
    return find(text, fold(shown)) is not None
