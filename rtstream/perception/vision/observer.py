"""Describes one window of a stream: changes since the previous window, text on screen, motion and colours.

This code runs in the child process, which holds the previous window of each session.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rtstream.perception.protocols import TextLine, VisionAnswer
from rtstream.perception.vision import features
from rtstream.perception.vision.features import Grey
from rtstream.perception.vision.text_reader import Reader
from rtstream.rules.fuzzy_text import fold
from rtstream.rules.screen_changes import ScreenChanges

MAX_SESSIONS = 256
MAX_PICTURES = 64
MAX_SHOWN = 60
"""Lines quoted in a description. Further lines are only counted."""
NO_READER = 'Text on screen was not read. This requires the extra "local" (pip install "rtstream-mcp[local]").'


@dataclass
class _LookState:
    """The state of a session after its previous window.

    Attributes:
        picture: The last picture.
        read_from: For each tile, the pixels from which its text was last read. Slow fades accumulate against them until
            the tile is read again.
        lines: The lines on screen.
        changed_at: Unix seconds of the last picture that differed.
    """

    picture: Grey
    read_from: Grey
    lines: list[TextLine] = field(default_factory=list)
    changed_at: float = 0.0


class SceneObserver:
    """Describes windows and holds the state of at most ``MAX_SESSIONS`` sessions.

    Without a ``reader``, no text is read.
    """

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self._seen: OrderedDict[str, _LookState] = OrderedDict()

    def observe(self, session: str, pictures: Sequence[tuple[float, bytes]]) -> VisionAnswer:
        """Describe a window.

        Args:
            session: Id of the session.
            pictures: ``(Unix seconds, JPEG)`` pairs, oldest first, at least one.

        Raises:
            BadPicture: A picture could not be decoded.
        """
        pictures = pictures[-MAX_PICTURES:]
        greys = [features.thumbnail(jpeg) for _, jpeg in pictures]
        last = self._seen.pop(session, None)
        time, jpeg = pictures[-1]
        movement = features.motion(([last.picture] if last else []) + greys)
        seen = self._read(last, greys[-1], jpeg)
        share = float(features.changed_tiles(last.picture, greys[-1]).mean()) if last else 1.0
        frozen = len(greys) + bool(last) > 1 and movement.cuts == 0 and movement.share == 0
        seen.changed_at = last.changed_at if last and frozen else time
        appeared, disappeared = _difference(last.lines, seen.lines) if last else ([], [])
        changes = ScreenChanges(
            first=last is None,
            changed=last is None or not frozen,
            share=round(share, 3),
            cut=movement.cuts > 0,
            cuts=movement.cuts,
            motion=round(movement.share, 3),
            frozen=frozen,
            still_s=round(max(0.0, time - seen.changed_at), 3),
            black=features.is_black(greys[-1]),
            blank=features.is_blank(greys[-1]),
            colours=features.main_colours(jpeg),
            text_read=self._reader is not None,
            appeared=appeared,
            disappeared=disappeared,
        )
        self._seen[session] = seen
        while len(self._seen) > MAX_SESSIONS:
            self._seen.popitem(last=False)
        return VisionAnswer(describe(seen.lines, changes), "local", seen.lines, changes)

    def _read(self, last: _LookState | None, grey: Grey, jpeg: bytes) -> _LookState:
        if self._reader is None:
            return _LookState(grey, grey)
        if last is None or features.is_cut(last.read_from, grey):
            return _LookState(grey, grey, self._reader.read(features.decode(jpeg, "BGR")))
        tiles = features.changed_tiles(last.read_from, grey)
        if not tiles.any():
            return _LookState(grey, last.read_from, last.lines)
        lines = self._reader.read_again(features.decode(jpeg, "BGR"), last.lines, tiles)
        fresh = np.kron(tiles, np.ones((features.TILE, features.TILE), dtype=bool))[: grey.shape[0], : grey.shape[1]]
        return _LookState(grey, np.where(fresh, grey, last.read_from), lines)


def describe(lines: Sequence[TextLine], changes: ScreenChanges) -> str:
    """Return a description in plain sentences. Text from the screen is quoted in reading order."""
    sentences = []
    if changes.black:
        sentences.append("The picture is black.")
    elif changes.blank:
        sentences.append("The picture is one plain colour.")
    if lines:
        sentences.append(f"Text on screen: {_quoted([line.text for line in lines])}.")
    elif not changes.text_read:
        sentences.append(NO_READER)
    elif not (changes.black or changes.blank):
        sentences.append("There is no text on screen.")
    if changes.appeared:
        sentences.append(f"New since the previous look: {_quoted(changes.appeared)}.")
    if changes.disappeared:
        sentences.append(f"Gone since the previous look: {_quoted(changes.disappeared)}.")
    sentences.append(_movement(changes))
    if changes.colours and not changes.black:
        sentences.append(f"Main colours: {', '.join(changes.colours)}.")
    return " ".join(sentences)


def _movement(changes: ScreenChanges) -> str:
    motion, still_s, share_changed = changes.motion or 0.0, changes.still_s or 0.0, changes.share or 0.0
    if changes.cuts:
        return "There was a cut to another picture." if changes.cuts == 1 else f"There were {changes.cuts} cuts."
    if changes.frozen:
        return f"Nothing moved for {still_s:.0f} s." if still_s >= 1 else "Nothing moved."
    if changes.first and not motion:
        return "This is the first look."
    if motion >= 0.3:
        return "Most of the picture is moving." if motion >= 0.6 else "Much of the picture is moving."
    share = round(100 * (motion if changes.first else max(motion, share_changed)))
    return f"{share} % of the picture changed." if share else "A small part of the picture changed."


def _quoted(texts: Sequence[str]) -> str:
    shown = "; ".join(f"“{text}”" for text in texts[:MAX_SHOWN])
    return shown + (f"; and {len(texts) - MAX_SHOWN} more lines" if len(texts) > MAX_SHOWN else "")


def _difference(old: Sequence[TextLine], new: Sequence[TextLine]) -> tuple[list[str], list[str]]:
    """Return the texts of the lines that appeared and disappeared.

    A line that was merely read slightly differently did neither.
    """
    before = Counter(fold(line.text).same for line in old)
    after = Counter(fold(line.text).same for line in new)
    return _surplus(new, after - before), _surplus(old, before - after)


def _surplus(lines: Sequence[TextLine], surplus: Counter[str]) -> list[str]:
    found = []
    for line in lines:
        key = fold(line.text).same
        if surplus[key] > 0:
            surplus[key] -= 1
            found.append(line.text)
    return found
