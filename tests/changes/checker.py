"""Compares what changing sources sent with the files and rows of an engine, and with the health that it showed."""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import av

from tests.changes.clips import CYCLE, FPS, GOP_S
from tests.changes.sources import Source, Span
from tests.faults.footage import Recording
from tests.faults.frames import Numbering, Placed, place

ALLOWED_S = GOP_S + 2.0
"""Seconds of video that a change may cost."""
PROMISE_S = 10.0
SLACK_S = 5.0
"""Time until health is looked at again, and until it is read here."""
GAPS_S = 600.0
FIRST_S = 20.0
"""A source is recorded at the latest this many seconds after it was connected."""
LAST_S = 12.0
"""Frames of the last seconds may not have been stored yet when the recording was stopped."""
EARLY_S = 2 * GOP_S
"""A change may also cost frames that were sent this long before it, and were not read yet."""


class Sample(NamedTuple):
    """Health at one moment, in Unix seconds."""

    at: float
    state: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass
class Result:
    """The comparison of one source.

    Attributes:
        changes: Number of changes.
        sent: Frames that had to be recorded, but for the cost of changes.
        missing: Number of them that were not recorded.
        worst_s: Seconds of video that the most expensive change cost.
        worst: The most expensive change.
        twice: Frames that were recorded more than once.
        audio_s: Whole seconds in which audio was sent.
        audio_missing_s: Those of them that were not recorded as a whole.
        dated_s: Largest difference between the recorded time of a frame and that at which it was sent.
        promises: Samples in which health was connected without a problem.
        broken: Broken promises, as sentences.
    """

    name: str
    changes: int = 0
    sent: int = 0
    missing: int = 0
    worst_s: float = 0.0
    worst: str = ""
    twice: int = 0
    audio_s: int = 0
    audio_missing_s: int = 0
    dated_s: float = 0.0
    promises: int = 0
    broken: list[str] = field(default_factory=list)


def check(
    source: Source, recordings: Sequence[Recording], samples: Sequence[Sample], connected_at: float, stopped_at: float
) -> Result:
    """Compare one source with its recordings and its health.

    Args:
        source: The source with what it sent.
        recordings: Its recordings, in the order of their media.
        samples: Its health, oldest first.
        connected_at: Unix time at which its stream was connected.
        stopped_at: Unix time at which the recording was stopped.
    """
    result = Result(source.name, len(source.done))
    numbering = Numbering(source.epoch, FPS, CYCLE)
    placed = place([one for one in recordings if has_video(one)], numbering, ())
    result.broken += [flaw for one in recordings if has_video(one) for flaw in one.flaws()]
    counts = Counter(number for one in placed for number in one.numbers)
    result.twice = sum(count > 1 for count in counts.values())
    result.dated_s = max((abs(one.clock_s) for one in placed), default=0.0)
    if not counts:
        result.broken.append("no video was recorded")
        return result
    first, last = min(counts), max(counts)
    latest = numbering.sent_at(first) - connected_at
    if latest > FIRST_S:
        result.broken.append(f"the first frame was recorded after {latest:.1f} s")
    last = max(last, int((stopped_at - LAST_S - source.epoch) * FPS))
    _check_frames(source, [n for n in source.frames if first <= n <= last], set(counts), numbering, result)
    _check_audio(source, recordings, placed, numbering.sent_at(first) + 5, stopped_at - LAST_S, result)
    begun = [sample for sample in samples if sample.at > connected_at + FIRST_S]
    _check_promise(source, begun, sorted(counts), numbering, recordings, placed, result)
    return result


def has_video(recording: Recording) -> bool:
    """Return whether a recording has a video track."""
    with av.open(io.BytesIO(recording.init + recording.media), "r") as container:
        return bool(container.streams.video)


def _check_frames(source: Source, sent: Sequence[int], got: set[int], numbering: Numbering, result: Result) -> None:
    """Attribute each missing frame to the last change before it, and sum up the cost of each change."""
    times = [at - EARLY_S for at, _ in source.done]
    lost: Counter[int] = Counter()
    result.sent = len(sent)
    for number in sent:
        if number not in got:
            result.missing += 1
            lost[bisect_right(times, numbering.sent_at(number)) - 1] += 1
    for index, count in sorted(lost.items()):
        cost, what = count / FPS, str(source.done[index][1]) if index >= 0 else "the beginning"
        if cost > result.worst_s:
            result.worst_s, result.worst = cost, what
        if index < 0 or cost > ALLOWED_S:
            result.broken.append(f"{cost:.1f} s of video are missing after: {what}")


def audio_spans(recordings: Sequence[Recording], placed: Sequence[Placed]) -> list[tuple[float, float]]:
    """Return the joined ranges of recorded audio, in Unix seconds of the source."""
    clocks = {one.recording.id: one.clock_s for one in placed}
    found: list[tuple[float, float]] = []
    for one in recordings:
        later = one.media_start - one.started_at + clocks.get(one.id, 0.0)
        with av.open(io.BytesIO(one.init + one.media), "r") as container:
            for packet in container.demux(*container.streams.audio) if container.streams.audio else ():
                if packet.pts is None or not packet.size:
                    continue
                at = float(packet.pts * packet.time_base) - later
                found.append((at, at + float((packet.duration or 0) * packet.time_base)))
    joined: list[tuple[float, float]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1] + 0.2:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _check_audio(
    source: Source, recordings: Sequence[Recording], placed: Sequence[Placed], start: float, end: float, result: Result
) -> None:
    recorded = audio_spans(recordings, placed)
    starts = [span[0] for span in recorded]
    for span, until in _with_ends(source.spans, end):
        if not span.form.sounding() or span.down:
            continue
        at = max(start, span.start)
        while at + 1 <= min(until, end):
            result.audio_s += 1
            index = bisect_right(starts, at + 0.1) - 1
            result.audio_missing_s += index < 0 or recorded[index][1] < at + 0.9
            at += 1


def _with_ends(spans: Sequence[Span], end: float) -> list[tuple[Span, float]]:
    return [(one, after.start if after else end) for one, after in zip(spans, [*spans[1:], None], strict=True)]


def _check_promise(
    source: Source,
    samples: Sequence[Sample],
    numbers: Sequence[int],
    numbering: Numbering,
    recordings: Sequence[Recording],
    placed: Sequence[Placed],
    result: Result,
) -> None:
    """A stream that is connected without a problem has a recent fragment of each track that its source declares."""
    pictures = [numbering.sent_at(number) for number in numbers]
    sounds = [end for _, end in _seconds(audio_spans(recordings, placed))]
    sent = [numbering.sent_at(number) for number in source.frames]
    end = samples[-1].at if samples else 0.0
    heard = [at for span, until in _with_ends(source.spans, end) for at in _every_second(span, until)]
    starts = [span.start for span in source.spans]
    unexplained: dict[str, list[float]] = {"video": [], "audio": []}
    for sample in samples:
        if sample.state != "connected" or sample.problems:
            continue
        result.promises += 1
        span = source.spans[max(0, bisect_right(starts, sample.at) - 1)]
        newest = _last(pictures, sample.at)
        overdue = sample.at - newest > _allowed(sent, sample.at)
        if overdue and _last(sent, sample.at) > newest + SLACK_S:  # else the picture stands still
            unexplained["video"].append(sample.at)
        if not span.form.audio:
            _check_note(source, span, samples, sample, _allowed(heard, sample.at), result)
            continue
        steady = not span.down and sample.at - span.start > PROMISE_S + SLACK_S
        if steady and sample.at - _last(sounds, sample.at) > _allowed(heard, sample.at):
            unexplained["audio"].append(sample.at)
    for kind, times in unexplained.items():
        if times:
            first, last = (round(at - source.epoch) for at in (times[0], times[-1]))
            text = f"{kind} is missing without a reason in {len(times)} looks at health, {first} to {last} s"
            result.broken.append(f"{text} after the beginning")


def _check_note(
    source: Source, span: Span, samples: Sequence[Sample], sample: Sample, allowed_s: float, result: Result
) -> None:
    """Once audio has been gone for longer than its pauses allow, health must have said so."""
    if not allowed_s <= sample.at - span.start < allowed_s + 2:
        return
    had = [one for one in source.spans if one.start < span.start]
    if not had or not had[-1].form.audio:
        return
    codes = {code for one in samples if span.start <= one.at <= sample.at for code in (*one.problems, *one.notes)}
    if not codes & {"no_audio_track", "track_silent", "format_changed"}:
        text = f"the audio ended {span.start - source.epoch:.0f} s after the beginning, and health did not show it"
        if text not in result.broken:
            result.broken.append(text)


def _every_second(span: Span, until: float) -> list[float]:
    if not span.form.sounding() or span.down:
        return []
    return [span.start + step for step in range(int(until - span.start) + 1)]


def _seconds(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(start + step, min(start + step + 1, end)) for start, end in spans for step in range(int(end - start) + 1)]


def _last(times: Sequence[float], at: float) -> float:
    index = bisect_right(times, at)
    return times[index - 1] if index else float("-inf")


def _allowed(times: Sequence[float], at: float) -> float:
    """Return the age in seconds that the newest fragment may have after the gaps in ``times`` of sending."""
    within = times[bisect_left(times, at - GAPS_S) : bisect_right(times, at)]
    longest = max((after - before for before, after in pairwise(within)), default=0.0)
    return max(PROMISE_S, 2 * longest) + SLACK_S
