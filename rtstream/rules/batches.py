"""Cuts a transcript into batches of words, sentences or seconds for an audio index.

Words are added as they become final and appear in exactly one batch, in order. With ``whole_sentences``, a batch by
time ends with the sentence that is being spoken when its time is over. ``flush`` returns the remaining words when the
transcript stops. Speech may be missing between two words of a batch, which is then divided into parts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from rtstream.json_types import JsonObject
from rtstream.rules.gaps import SET_BACK_S
from rtstream.rules.playlist import Range

Segmenter = Literal["word", "sentence", "time"]

OPEN_S = 5.0
"""Seconds for which a sentence that was interrupted by a pause may continue in the same batch."""
_CLOSING = "\"'”’)]»"


@dataclass(frozen=True)
class Word:
    """A spoken word, with its times in Unix seconds. ``ends_sentence`` marks the last word of a sentence."""

    text: str
    start: float
    end: float
    ends_sentence: bool = False


@dataclass(frozen=True)
class Batch:
    """Consecutive words, never empty. ``breaks`` are the numbers of words before which speech may be missing."""

    words: Sequence[Word]
    breaks: Sequence[int] = ()

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Unix seconds of the first word."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Unix seconds at the end of the last word."""
        return max(word.end for word in self.words)

    @property
    def parts(self) -> list[Range]:
        """Ranges of Unix time in which no speech is missing, oldest first."""
        edges = [0, *self.breaks, len(self.words)]
        runs = [self.words[first:last] for first, last in pairwise(edges)]
        return [(run[0].start, max(word.end for word in run)) for run in runs]


@dataclass
class Batches:
    """Collects words into batches of ``value`` words, sentences or seconds."""

    segmenter: Segmenter
    value: float
    whole_sentences: bool = False
    _words: list[Word] = field(default_factory=list)
    _sentences: int = 0
    _breaks: list[int] = field(default_factory=list)

    def interrupt(self) -> None:
        """Note that speech may be missing before the next word, which belongs to the same batch all the same."""
        if self._words and self._breaks[-1:] != [len(self._words)]:
            self._breaks.append(len(self._words))

    def add(self, words: Sequence[Word]) -> list[Batch]:
        """Add the next words and return the batches they complete."""
        done: list[Batch] = []
        for word in words:
            if self._is_set_back(word.start) or (self._is_over(word.start) and self._may_end(word.start)):
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
        """Return the batch that is complete once everything spoken before the Unix time ``time`` has been added.

        Only batches cut by time end this way, when their window is over and no sentence is being spoken.
        """
        return self.flush() if self._is_over(time) and self._may_end(time) else []

    def _is_set_back(self, time: float) -> bool:
        """Return whether the clock was set back in the interruption before a word at a Unix time."""
        interrupted = self._breaks[-1:] == [len(self._words)]
        return interrupted and time < self._words[-1].start - SET_BACK_S

    def _is_over(self, time: float) -> bool:
        """Return whether the window of the words, which are cut by time, is over at a Unix time."""
        timed = self.segmenter == "time" and bool(self._words)
        return timed and self._window(time) > self._window(self._words[0].start)

    def _may_end(self, time: float) -> bool:
        """Return whether the last word ends a sentence, or its sentence was not continued for ``OPEN_S``.

        A sentence without an end is cut after as much time again, at least ``OPEN_S``.
        """
        last = self._words[-1]
        if not self.whole_sentences or last.ends_sentence or time - last.end >= OPEN_S:
            return True
        over = (self._window(self._words[0].start) + 1) * self.value
        return time >= over + max(self.value, OPEN_S)

    def flush(self) -> list[Batch]:
        """Return the remaining words as a last batch, if there are any."""
        words, self._words, self._sentences = self._words, [], 0
        breaks, self._breaks = self._breaks, []
        return [Batch(tuple(words), tuple(one for one in breaks if one < len(words)))] if words else []

    def _window(self, time: float) -> int:
        return math.floor(time / self.value)


def uncovered(words: Sequence[Word], covered: Sequence[Range]) -> list[list[Word]]:
    """Return the words that are in none of some ranges, divided where a word in between is in one.

    Args:
        words: Words, oldest first.
        covered: Ranges of Unix time, sorted by start, such as those of batches.
    """
    runs: list[list[Word]] = [[]]
    begins = [start for start, _ in covered]
    for word in words:
        middle = (word.start + word.end) / 2
        place = bisect_right(begins, middle) - 1
        if place >= 0 and middle < covered[place][1]:
            runs.append([])
        else:
            runs[-1].append(word)
    return [run for run in runs if run]


def words_of(text: str, start: float, end: float, timed: Sequence[JsonObject] = ()) -> list[Word]:
    """Split a final utterance into words with times.

    Without word times from the engine, the words are spread over the utterance in proportion to their length. An
    utterance without sentence punctuation counts as one sentence.

    Args:
        text: The text of the utterance.
        start: Start of the utterance in Unix seconds.
        end: End of the utterance in Unix seconds.
        timed: One ``{"start", "end"}`` per word from the engine, in Unix seconds. Ignored if the count differs.
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


def config(values: JsonObject | None) -> JsonObject:
    """Return the ``segmenter`` and ``segmentation_value`` of an audio index, with defaults applied.

    Raises:
        ValueError: A value is invalid. The message is one sentence for the user.
    """
    values = values or {}
    segmenter = values.get("segmenter") or "word"
    value = values.get("segmentation_value")
    if segmenter not in ("word", "sentence", "time"):
        raise ValueError("The batch type of an audio index must be 'word', 'sentence' or 'time'.")
    if value is None:
        value = {"word": 10, "sentence": 1, "time": 10}[segmenter]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("The batch value must be a number.")
    if segmenter == "time":
        if not 1 <= value <= 3600:
            raise ValueError("A batch of type 'time' must last 1 to 3600 seconds.")
    elif value != int(value) or not 1 <= value <= 5000:
        raise ValueError(f"The value of a batch of type '{segmenter}' must be a whole number from 1 to 5000.")
    return {"segmenter": segmenter, "segmentation_value": int(value) if value == int(value) else value}
