"""Whether an index or a transcript that is wanted keeps up with its stream."""

from __future__ import annotations

from dataclasses import dataclass

from rtstream.states import HealthCode

LEAST_S = 10.0
"""Models take some time for each window, so shorter delays are normal."""
SPEECH_S = 20.0
"""Speech is transcribed within this many seconds."""


@dataclass(frozen=True)
class WatchedIndex:
    """The progress of a running index. Times are monotonic seconds."""

    name: str
    window_s: float
    since: float
    """Time of the last result, or of the start of the index or of the connection if that is later."""
    failure: str = ""
    """Reason for which the last window failed, or empty."""
    paused: bool = False
    """Whether the cap of model calls is reached."""
    built_in: bool = False
    """Whether it is described by the built-in reader of text on screen, not by a model."""


def index_stall(index: WatchedIndex, now: float) -> tuple[HealthCode, str] | None:
    """Return the code and text of the problem of an index; None if it returned a result within two windows."""
    if index.paused:
        return HealthCode.BUDGET_SPENT, f"index '{index.name}' is paused, because its cap of model calls is reached"
    if now - index.since <= max(2 * index.window_s, LEAST_S):
        return None
    if index.failure:
        code = HealthCode.READER_UNAVAILABLE if index.built_in else HealthCode.MODEL_UNAVAILABLE
        return code, f"index '{index.name}' describes nothing: {index.failure}"
    return HealthCode.INDEX_STALLED, f"index '{index.name}' returns no results"


def transcript_stall(failure: str, waiting_s: float, failing_s: float) -> tuple[HealthCode, str] | None:
    """Return the code and text of the problem of a transcript, or None if it keeps up.

    Args:
        failure: Why the speech engine fails; empty if it does not.
        waiting_s: Seconds of audio that wait for the engine.
        failing_s: Seconds since the engine last worked.
    """
    if failure and failing_s > LEAST_S:
        return HealthCode.TRANSCRIPT_STALLED, f"speech is not transcribed: {failure}"
    if waiting_s > SPEECH_S:
        return HealthCode.TRANSCRIPT_STALLED, "the transcript is behind live, so speech appears late"
    return None
