"""Statistics are sent when something has changed, and now and then otherwise."""

from __future__ import annotations

from rtstream.messages import Message, RecorderStats
from rtstream.recorder.outbox import Outbox
from rtstream.recorder.statistics import QUIET_TICKS, Statistics
from rtstream.rules.track_flow import TrackFlow


class Sent(Outbox):
    """An outbox that keeps its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


def test_changes_are_reported_at_once_and_a_healthy_stream_now_and_then() -> None:
    sent, flows = Sent(), {kind: TrackFlow(kind, 0.0) for kind in ("video", "audio")}
    statistics = Statistics(sent, flows)
    flows["video"].received += 1
    for _ in range(2 * QUIET_TICKS):
        statistics.report(0.1)
    assert len(sent.messages) == 3  # the first, and two later ones
    sent.count("frames_unsent", 2)
    statistics.report(0.1)
    statistics.report(0.9)
    assert len(sent.messages) == 5
    last = sent.messages[-1]
    assert isinstance(last, RecorderStats)
    assert (last.lag_s, last.dropped) == (0.9, {"frames_unsent": 2})
    assert list(last.tracks) == ["video"]  # the source has no audio
    assert last.tracks["video"]["received"] == 1
