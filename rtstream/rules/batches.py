"""Cutting a transcript into batches for an audio index: by words, sentences or time. Pure.

Words go in as they become final and come out once, in order; ``flush`` gives what is left when the transcript stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Segmenter = Literal["word", "sentence", "time"]

_CLOSING = "\"'”’)]»"


@dataclass(frozen=True)
class Word:
    """One spoken word; times in Unix seconds. ``ends_sentence``: nothing of its sentence follows."""

    text: str
    start: float
    end: float
    ends_sentence: bool = False


@dataclass(frozen=True)
class Batch:
    """Consecutive words, never empty."""

    words: Sequence[Word]

    @property
    def text(self) -> str:
        """The words as they were said."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Unix seconds of the first word."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Unix seconds at the end of the last word."""
        return max(word.end for word in self.words)


@dataclass
class Batches:
    """Collects words into batches of ``value`` words, sentences or seconds."""

    segmenter: Segmenter
    value: float
    _words: list[Word] = field(default_factory=list)
    _sentences: int = 0

    def add(self, words: Sequence[Word]) -> list[Batch]:
        """Take the next words; returns the batches they complete."""
        done: list[Batch] = []
        for word in words:
            if (
                self.segmenter == "time"
                and self._words
                and self._window(word.start) > self._window(self._words[0].start)
            ):
                done += self.flush()
            self._words.append(word)
            self._sentences += word.ends_sentence
            full = {
                "word": len(self._words) >= self.value,
                "sentence": self._sentences >= self.value,
                "time": False,
            }[self.segmenter]
            if full:
                done += self.flush()
        return done

    def reach(self, time: float) -> list[Batch]:
        """Everything said before Unix ``time`` was given: by time, a window that is over is a batch."""
        if self.segmenter == "time" and self._words and self._window(time) > self._window(self._words[0].start):
            return self.flush()
        return []

    def flush(self) -> list[Batch]:
        """What is left, as it is."""
        words, self._words, self._sentences = self._words, [], 0
        return [Batch(tuple(words))] if words else []

    def _window(self, time: float) -> int:
        return math.floor(time / self.value)


def words_of(text: str, start: float, end: float, timed: Sequence[dict[str, Any]] = ()) -> list[Word]:
    """The words of one final utterance. Where the engine gives no word times they are spread over it by length.

    An utterance without any sentence mark counts as one sentence.
    """
    spoken = text.split()
    if not spoken:
        return []
    if len(timed) == len(spoken):
        times = [(float(entry["start"]), float(entry["end"])) for entry in timed]
    else:
        times = _spread(spoken, start, end)
    marked = [_ends_sentence(word) for word in spoken]
    if not any(marked):
        marked[-1] = True
    return [Word(word, begin, stop, mark) for word, (begin, stop), mark in zip(spoken, times, marked, strict=True)]


def _spread(spoken: Sequence[str], start: float, end: float) -> list[tuple[float, float]]:
    total = sum(len(word) + 1 for word in spoken)
    times: list[tuple[float, float]] = []
    at = 0
    for word in spoken:
        begin = start + (end - start) * at / total
        at += len(word) + 1
        times.append((begin, start + (end - start) * at / total))
    return times


def _ends_sentence(word: str) -> bool:
    return word.rstrip(_CLOSING).endswith((".", "!", "?", "…", "。", "！", "？"))


def config(given: dict[str, Any] | None) -> dict[str, Any]:
    """An audio index's ``{"segmenter", "segmentation_value"}`` with defaults. Raises ValueError with a sentence."""
    given = given or {}
    segmenter = given.get("segmenter") or "word"
    value = given.get("segmentation_value")
    if segmenter not in ("word", "sentence", "time"):
        raise ValueError("The batch type of an audio index is 'word', 'sentence' or 'time'.")
    if value is None:
        value = {"word": 10, "sentence": 1, "time": 10}[segmenter]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("The batch value must be a number.")
    if segmenter == "time":
        if not 1 <= value <= 3600:
            raise ValueError("A batch by time must have 1 to 3600 seconds.")
    elif value != int(value) or not 1 <= value <= 5000:
        raise ValueError(f"A batch by {segmenter} must have a whole number of them, from 1 to 5000.")
    return {"segmenter": segmenter, "segmentation_value": int(value) if value == int(value) else value}
