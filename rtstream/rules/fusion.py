"""How good a search hit is, from words and meaning together; which hits are left out; which are one and the same.

Score = cosine + 0.2 x the share of the query's words that were found, each word weighted by how rare it is, brought
to 0..1. Chosen over reciprocal rank fusion by measurement (``benchmarks/search.py``): with ranks, a chance hit on a
common word overtakes a close meaning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

WORD_WEIGHT = 0.2
UNEMBEDDED = 0.4
"""Cosine assumed per share of words found while a document has no vector yet: right answers have 0.24 to 0.61."""
WEAK = 0.3
"""Best cosines of queries that have no answer were 0.14 to 0.30: below this a match by meaning alone is a guess."""
NOISE = 0.15
"""Below this a match by meaning alone is left out, unless the caller sets a threshold. On the labelled set of
``benchmarks/`` it keeps 50 of 52 right answers (0.20: 46, 0.25: 40)."""
JOIN_GAP_S = 60.0
"""Scenes of equal content that are at most this far apart are one hit: windows are skipped when a model is slow."""
SAME_SHARE = 0.85
"""Share of words two texts have in common to count as the same (a clock on the screen changes, the rest stays)."""


@dataclass(frozen=True)
class HitMoment:
    """A document that may become a hit. ``place``: where it comes from (one index, one transcript)."""

    doc: int
    place: Hashable
    start: float
    end: float
    text: str
    score: float


def weights(found_in: Sequence[float], documents: int) -> list[float]:
    """Weight of each word from the number of documents that have it (inverse document frequency); they sum to 1."""
    rare = [math.log(1 + (documents + 1) / (count + 0.5)) for count in found_in]
    total = sum(rare)
    return [value / total for value in rare]


def score(cosine: float | None, share: float, *, by_meaning: bool) -> float:
    """0..1 from the cosine (None: no vector yet) and the share (0..1) of the query's words that were found."""
    if not by_meaning:
        return min(max(share, 0.0), 1.0)
    meaning = UNEMBEDDED * share if cosine is None else cosine
    return min(max((meaning + WORD_WEIGHT * share) / (1 + WORD_WEIGHT), 0.0), 1.0)


def is_noise(cosine: float | None, share: float) -> bool:
    """Too far in meaning, and less than half of what was asked for in words."""
    return share < 0.5 and (cosine is None or cosine < NOISE)


def is_weak(best: float) -> bool:
    """The best score of a search by meaning says that there may be no answer."""
    return best < WEAK / (1 + WORD_WEIGHT)


def cut(scores: Iterable[float], score_threshold: float | None, dynamic_score_percentage: float | None) -> float:
    """The score a hit must reach (API reference 2.16).

    ``score_threshold`` is absolute. ``dynamic_score_percentage`` keeps the upper part of the range between the worst
    and the best score: 100 keeps all, 20 the upper fifth, 0 only the best.
    """
    least = -math.inf if score_threshold is None else score_threshold
    found = list(scores)
    if dynamic_score_percentage is not None and found:
        best = max(found)
        least = max(least, best - (best - min(found)) * dynamic_score_percentage / 100)
    return least


def same(one: str, other: str) -> bool:
    """Two texts say the same, but for small differences."""
    if one == other:
        return True
    ours, theirs = set(re.findall(r"\w+", one.lower())), set(re.findall(r"\w+", other.lower()))
    return len(ours & theirs) >= SAME_SHARE * len(ours | theirs) > 0


def merge(moments: Iterable[HitMoment]) -> list[HitMoment]:
    """Join moments of one place that follow each other and say the same; best first, newest first among equals.

    A joined moment spans all of them and is otherwise the best of them.
    """
    joined: list[HitMoment] = []
    open_runs: dict[Hashable, HitMoment] = {}
    last_text: dict[Hashable, str] = {}
    for moment in sorted(moments, key=lambda moment: (moment.start, moment.doc)):
        run = open_runs.get(moment.place)
        if run is not None and moment.start - run.end <= JOIN_GAP_S and same(last_text[moment.place], moment.text):
            best = moment if moment.score > run.score else run
            open_runs[moment.place] = replace(best, start=run.start, end=max(run.end, moment.end))
        else:
            if run is not None:
                joined.append(run)
            open_runs[moment.place] = moment
        last_text[moment.place] = moment.text
    return sorted([*joined, *open_runs.values()], key=lambda moment: (-moment.score, -moment.start, moment.doc))
