"""One look at a stream: compares a window with the last one of its session, reads its text, says what is there.

Runs in the child process, which keeps the last look of each session.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rtstream.json_types import JsonObject
from rtstream.perception.protocols import TextLine, VisionAnswer
from rtstream.perception.vision import features
from rtstream.perception.vision.features import Grey
from rtstream.perception.vision.text_reader import Reader
from rtstream.rules.fuzzy_text import fold

MAX_SESSIONS = 256
MAX_PICTURES = 64
MAX_SHOWN = 60
"""Lines quoted in a description; the rest are counted."""
NO_READER = 'Text on screen was not read: that takes the extra "local" (pip install "rtstream-mcp[local]").'


@dataclass
class _Seen:
    """The last look of a session."""

    picture: Grey
    read_from: Grey
    """The picture as it was where each tile's text was last read: slow fades add up until they are read again."""
    lines: list[TextLine] = field(default_factory=list)
    changed_at: float = 0.0  # Unix seconds of the last picture that differed


class Looker:
    """The last look of each session, at most ``MAX_SESSIONS``. ``reader`` None: no text is read."""

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def look(self, session: str, pictures: Sequence[tuple[float, bytes]]) -> VisionAnswer:
        """``pictures``: (Unix seconds, JPEG), oldest first, at least one. Raises BadPicture."""
        pictures = pictures[-MAX_PICTURES:]
        greys = [features.thumbnail(jpeg) for _, jpeg in pictures]
        last = self._seen.pop(session, None)
        time, jpeg = pictures[-1]
        moved = features.motion(([last.picture] if last else []) + greys)
        seen = self._read(last, greys[-1], jpeg)
        share = float(features.changed_tiles(last.picture, greys[-1]).mean()) if last else 1.0
        frozen = len(greys) + bool(last) > 1 and moved.cuts == 0 and moved.share == 0
        seen.changed_at = last.changed_at if last and frozen else time
        appeared, disappeared = _difference(last.lines, seen.lines) if last else ([], [])
        changes = {
            "first": last is None,
            "changed": last is None or not frozen,
            "share": round(share, 3),
            "cut": moved.cuts > 0,
            "cuts": moved.cuts,
            "motion": round(moved.share, 3),
            "frozen": frozen,
            "still_s": round(max(0.0, time - seen.changed_at), 3),
            "black": features.is_black(greys[-1]),
            "blank": features.is_blank(greys[-1]),
            "colours": features.main_colours(jpeg),
            "text_read": self._reader is not None,
            "appeared": appeared,
            "disappeared": disappeared,
        }
        self._seen[session] = seen
        while len(self._seen) > MAX_SESSIONS:
            self._seen.popitem(last=False)
        return VisionAnswer(describe(seen.lines, changes), "local", seen.lines, changes)

    def _read(self, last: _Seen | None, grey: Grey, jpeg: bytes) -> _Seen:
        if self._reader is None:
            return _Seen(grey, grey)
        if last is None or features.is_cut(last.read_from, grey):
            return _Seen(grey, grey, self._reader.read(features.decode(jpeg, "BGR")))
        tiles = features.changed_tiles(last.read_from, grey)
        if not tiles.any():
            return _Seen(grey, last.read_from, last.lines)
        lines = self._reader.read_again(features.decode(jpeg, "BGR"), last.lines, tiles)
        fresh = np.kron(tiles, np.ones((features.TILE, features.TILE), dtype=bool))[: grey.shape[0], : grey.shape[1]]
        return _Seen(grey, np.where(fresh, grey, last.read_from), lines)


def describe(lines: Sequence[TextLine], changes: JsonObject) -> str:
    """Plain sentences; text from the screen is quoted in reading order."""
    said = []
    if changes["black"]:
        said.append("The picture is black.")
    elif changes["blank"]:
        said.append("The picture is one plain colour.")
    if lines:
        said.append(f"Text on screen: {_quoted([line.text for line in lines])}.")
    elif not changes["text_read"]:
        said.append(NO_READER)
    elif not (changes["black"] or changes["blank"]):
        said.append("No text on screen.")
    if changes["appeared"]:
        said.append(f"New since the last look: {_quoted(changes['appeared'])}.")
    if changes["disappeared"]:
        said.append(f"Gone since the last look: {_quoted(changes['disappeared'])}.")
    said.append(_movement(changes))
    if changes["colours"] and not changes["black"]:
        said.append(f"Main colours: {', '.join(changes['colours'])}.")
    return " ".join(said)


def _movement(changes: JsonObject) -> str:
    if changes["cuts"]:
        return "The picture was cut to another." if changes["cuts"] == 1 else f"{changes['cuts']} cuts."
    if changes["frozen"]:
        return f"Nothing moved for {changes['still_s']:.0f} s." if changes["still_s"] >= 1 else "Nothing moved."
    if changes["first"] and not changes["motion"]:
        return "First look."
    if changes["motion"] >= 0.3:
        return "Most of the picture moves." if changes["motion"] >= 0.6 else "Much of the picture moves."
    share = round(100 * (changes["motion"] if changes["first"] else max(changes["motion"], changes["share"])))
    return f"{share} % of the picture changed." if share else "A small part of the picture changed."


def _quoted(texts: Sequence[str]) -> str:
    shown = "; ".join(f"“{text}”" for text in texts[:MAX_SHOWN])
    return shown + (f"; and {len(texts) - MAX_SHOWN} more lines" if len(texts) > MAX_SHOWN else "")


def _difference(old: Sequence[TextLine], new: Sequence[TextLine]) -> tuple[list[str], list[str]]:
    """Texts of the lines that came and went; a line that is only read a little differently did neither."""
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
