"""Scores search hits by words and meaning, drops noise and merges duplicates.

Score = cosine + 0.2 x the share of the query's words that were found, each word weighted by its rarity, scaled to 0..1.
Chosen over reciprocal rank fusion by measurement (``benchmarks/search.py``): with ranks, a chance hit on a common word
beats a close meaning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

WORD_WEIGHT = 0.2
UNEMBEDDED = 0.4
"""Cosine assumed per share of words found while a document has no vector yet. Correct results have 0.24 to 0.61."""
WEAK = 0.3
"""The best cosines of queries without a correct result were 0.14 to 0.30. A match by meaning below this is a guess."""
NOISE = 0.15
"""Matches by meaning alone below this are dropped, unless the caller sets a threshold. On the labelled set of
``benchmarks/``, this value retains 50 of 52 correct results (0.20: 46, 0.25: 40)."""
JOIN_GAP_S = 60.0
"""Scenes with equal content at most this far apart form one hit, because a slow model skips windows."""
SAME_SHARE = 0.85
"""Share of words two texts must have in common to count as the same (a clock on the screen changes, the rest stays)."""


@dataclass(frozen=True)
class HitMoment:
    """A document that may become a hit.

    Attributes:
        doc: Row id of the document.
        place: Identity of its origin (one index, one transcript).
        start: Unix seconds.
        end: Unix seconds.
        text: The text of the document.
        score: 0 to 1.
    """

    doc: int
    place: Hashable
    start: float
    end: float
    text: str
    score: float


def weights(found_in: Sequence[float], documents: int) -> list[float]:
    """Return the weight of each word from the number of documents that contain it. The weights sum to 1.

    This is the inverse document frequency.
    """
    rare = [math.log(1 + (documents + 1) / (count + 0.5)) for count in found_in]
    total = sum(rare)
    return [value / total for value in rare]


def score(cosine: float | None, share: float, *, by_meaning: bool) -> float:
    """Return a score from 0 to 1.

    Args:
        cosine: Cosine similarity to the query, or None if the document has no vector yet.
        share: Share (0 to 1) of the query's words that were found.
        by_meaning: Whether the search uses vectors at all. If not, the score is the share.
    """
    if not by_meaning:
        return min(max(share, 0.0), 1.0)
    meaning = UNEMBEDDED * share if cosine is None else cosine
    return min(max((meaning + WORD_WEIGHT * share) / (1 + WORD_WEIGHT), 0.0), 1.0)


def is_noise(cosine: float | None, share: float) -> bool:
    """Return whether a hit is too far away in meaning and contains less than half of the query's words."""
    return share < 0.5 and (cosine is None or cosine < NOISE)


def is_weak(best: float) -> bool:
    """Return whether the best score of a search by meaning suggests that there is no correct result."""
    return best < WEAK / (1 + WORD_WEIGHT)


def cut(scores: Iterable[float], score_threshold: float | None, dynamic_score_percentage: float | None) -> float:
    """Return the score that a hit must reach (API reference 2.16).

    Args:
        scores: The scores of all hits.
        score_threshold: An absolute minimum.
        dynamic_score_percentage: The upper part of the range between the worst and the best score to retain. 100
            retains all hits, 20 the upper fifth, 0 only the best.
    """
    least = -math.inf if score_threshold is None else score_threshold
    found = list(scores)
    if dynamic_score_percentage is not None and found:
        best = max(found)
        least = max(least, best - (best - min(found)) * dynamic_score_percentage / 100)
    return least


def same(one: str, other: str) -> bool:
    """Return whether two texts have the same content apart from small differences."""
    if one == other:
        return True
    ours, theirs = set(re.findall(r"\w+", one.lower())), set(re.findall(r"\w+", other.lower()))
    return len(ours & theirs) >= SAME_SHARE * len(ours | theirs) > 0


def merge(moments: Iterable[HitMoment]) -> list[HitMoment]:
    """Join consecutive moments of one origin that have the same content.

    A joined moment spans all of its parts and otherwise equals the best of them.

    Returns:
        The moments, best score first. Among equal scores, the newest comes first.
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
