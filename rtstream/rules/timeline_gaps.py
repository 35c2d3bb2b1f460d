"""Finds the stretches of a timeline without results, and states the reason for each. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rtstream.rules.playlist import Range
from rtstream.states import GapReason, SkipReason

QuietChannel = Literal["scenes", "transcript"]
"""Channels that have results all the time while they work."""

LEAST_QUIET_S: dict[str, float] = {"scenes": 60.0, "transcript": 600.0}
"""Shortest stretch without results that is reported, unless it is the whole range."""
QUIET_SHARE: dict[str, float] = {"scenes": 1 / 12, "transcript": 1 / 6}
"""The same as a share of the range."""
RECORDED_SHARE = 0.5
"""Share of a stretch below which it counts as not recorded."""

GAPS: dict[GapReason, str] = {
    GapReason.ENGINE_ENDED: "the engine was not running",
    GapReason.READER_UNAVAILABLE: "it could not be read",
    GapReason.OVERLOADED: "the engine was overloaded",
    GapReason.DATABASE_UNAVAILABLE: "the database was unavailable",
    GapReason.NOT_RECEIVED: "the engine did not receive it",
    GapReason.CONNECTING: "the stream was being connected",
    GapReason.REQUESTED: "its analysis was requested afterwards",
}
SKIPS: dict[SkipReason, str] = {
    SkipReason.NOT_RECORDED: "they were not recorded",
    SkipReason.NOT_DECODABLE: "they could not be decoded",
    SkipReason.TOO_OLD: "they were too old",
    SkipReason.TOO_MANY: "there were too many",
    SkipReason.STOPPED: "the index was stopped",
    SkipReason.BUDGET_SPENT: "a limit of model calls or costs was reached",
    SkipReason.CANCELLED: "the analysis of that time was cancelled",
    SkipReason.MODEL_FAILED: "the model failed",
}


@dataclass(frozen=True)
class AnalysisFacts:
    """Facts about an index or a transcript.

    Attributes:
        created_at: When it was started first.
        running: Whether it runs now.
        stopped_at: When it was stopped, if that is known.
        reason: Reason for its state, or empty.
        gaps: Ranges that were not analysed live, each with its reason and whether they are analysed still.
        skipped: Number of windows that are never looked at, by reason.
        failures: Ranges whose analysis failed, each with the reason.
    """

    created_at: float
    running: bool
    stopped_at: float | None = None
    reason: str = ""
    gaps: Sequence[tuple[float, float, GapReason]] = ()
    skipped: dict[SkipReason, int] = field(default_factory=dict)
    failures: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True)
class StreamFacts:
    """Facts about a stream and its analysis in a range.

    Attributes:
        created_at: When it was connected first.
        running: Whether it should run now.
        stored: Whether it is recorded at all.
        has_video: Whether its source has video. None if that is not known.
        has_audio: Whether its source has audio that may be analysed. None if that is not known.
        recorded: The recorded ranges.
        lost: Times in which it was not connected, each with the reason.
        indexes: Its visual indexes.
        transcripts: Its transcripts.
    """

    created_at: float
    running: bool
    stored: bool
    has_video: bool | None = None
    has_audio: bool | None = None
    recorded: Sequence[Range] = ()
    lost: Sequence[tuple[float, float, str]] = ()
    indexes: Sequence[AnalysisFacts] = ()
    transcripts: Sequence[AnalysisFacts] = ()


def quiet_ranges(channel: QuietChannel, covered: Sequence[Range], start: float, end: float) -> list[Range]:
    """Return the stretches of [start, end) without results of a channel that are long enough to be reported.

    Args:
        channel: ``scenes`` or ``transcript``.
        covered: The ranges with results.
        start: Start of the range.
        end: End of the range.
    """
    least = min(end - start, max(LEAST_QUIET_S[channel], QUIET_SHARE[channel] * (end - start)))
    found: list[Range] = []
    reached = start
    for begin, until in [*sorted(covered), (end, end)]:
        if begin - reached >= least > 0:
            found.append((reached, min(begin, end)))
        reached = max(reached, until)
    return found


def reason(channel: QuietChannel, quiet: Range, stream: StreamFacts) -> str:
    """Return why a stretch has no results of a channel, as one or two sentences."""
    start, end = quiet
    if stream.created_at >= end:
        return "The stream was connected later."
    own = stream.indexes if channel == "scenes" else stream.transcripts
    verb, noun = ("index_visuals", "index") if channel == "scenes" else ("transcribe", "transcript")
    has_track = stream.has_video if channel == "scenes" else stream.has_audio
    if has_track is False:
        return "The source has no video." if channel == "scenes" else "The source has no audio, or it is turned off."
    if not own:
        off = "Its video is not described: no index exists." if channel == "scenes" else "It is not transcribed."
        return f"{off} {verb} starts that."
    begun = [each for each in own if each.created_at < end]
    if not begun:
        return f"The {noun} was started later."
    recorded = _overlap(stream.recorded, quiet)
    if recorded < RECORDED_SHARE * (end - start) and (stream.stored or _lost(stream, quiet)):
        return _not_recorded(stream, quiet)
    for each in begun:
        found = _of_analysis(each, quiet, noun)
        if found:
            return found
    if channel == "transcript":
        return "No speech was recognised."
    return f"No window was described. {begun[0].reason}".rstrip()


def _lost(stream: StreamFacts, quiet: Range) -> list[tuple[float, float, str]]:
    return [each for each in stream.lost if each[0] < quiet[1] and each[1] > quiet[0]]


def _not_recorded(stream: StreamFacts, quiet: Range) -> str:
    lost = max(_lost(stream, quiet), key=lambda each: min(each[1], quiet[1]) - max(each[0], quiet[0]), default=None)
    if lost is not None and lost[2]:
        return f"Nothing was recorded. The stream was not connected: {lost[2]}"
    if lost is not None:
        return "Nothing was recorded, because the stream was not connected."
    if not stream.running:
        return "Nothing was recorded. The stream is stopped."
    return "Nothing was recorded."


def _of_analysis(each: AnalysisFacts, quiet: Range, noun: str) -> str:
    """Return the reason that an index or a transcript itself has, or an empty text."""
    start, end = quiet
    failed = [one for one in each.failures if one[0] < end and one[1] > start]
    if failed:
        return f"{len(failed)} {'window' if len(failed) == 1 else 'windows'} could not be described: {failed[-1][2]}"
    gaps = [gap for gap in each.gaps if gap[0] < end and gap[1] > start]
    if gaps:
        longest = max(gaps, key=lambda gap: min(gap[1], end) - max(gap[0], start))
        return f"It was not analysed live, because {GAPS[longest[2]]}. It is analysed later."
    if each.created_at >= start + RECORDED_SHARE * (end - start):
        return f"The {noun} was started later."
    if not each.running and (each.stopped_at is None or each.stopped_at < end):
        return f"The {noun} is stopped. {each.reason}".rstrip()
    if each.skipped:
        count, worst = sum(each.skipped.values()), max(each.skipped, key=lambda one: each.skipped[one])
        return f"{count} windows of the {noun} were left out since it was created, mostly because {SKIPS[worst]}."
    return ""


def _overlap(ranges: Sequence[Range], within: Range) -> float:
    return sum(max(0.0, min(end, within[1]) - max(start, within[0])) for start, end in ranges)
