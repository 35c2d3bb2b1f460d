"""Shows in health which wanted tracks of a connection are missing, or not stored although they arrive."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rtstream.messages import RecorderSpec, SetTaps
from rtstream.recorder.source import Source
from rtstream.recorder.source_health import SourceHealth
from rtstream.rules.track_choice import parse_tracks
from rtstream.rules.track_flow import LOOK_S, PROMISE_S, Lack, TrackFlow, missing_track
from rtstream.states import HealthCode


class TrackHealth:
    """Compares the wanted tracks with those of the source, and their packets with the stored ones.

    Args:
        spec: The stream.
        source: The open source.
        flows: The packets of each kind of track, over all connections.
        health: Health of the connection.
    """

    def __init__(
        self, spec: RecorderSpec, source: Source, flows: Mapping[str, TrackFlow], health: SourceHealth
    ) -> None:
        self._spec, self._source, self._flows, self._health = spec, source, flows, health
        self._present = {kind for kind, track in (("video", source.video), ("audio", source.audio)) if track}
        self._declared = {stream.type for stream in source.unknown}
        wish = parse_tracks(spec.tracks)
        self._named = {kind for kind, number in (("video", wish.video), ("audio", wish.audio)) if number}
        self.taps = SetTaps({})
        """The pictures and audio that are analysed."""
        for kind, text in source.unrecordable.items():
            health.problem(kind, Lack(HealthCode.FORMAT_NOT_RECORDABLE, text))

    def check(self, *, still: bool, silent: bool) -> None:
        """Update the health. To be called every few seconds, from any thread.

        Args:
            still: Whether the source sends no video because its picture does not change.
            silent: Whether the video is recorded alone, which is shown already.
        """
        self._health.expire()
        now = time.monotonic()
        for kind, flow in self._flows.items():
            if kind not in self._present:
                if kind in self._spec.media_types:
                    self._missing(kind, flow, now)
                continue
            flow.still = kind == "video" and still
            lack = flow.look(now)  # also during a pause, which would otherwise count as one of the source
            if not self._spec.record or self._health.paused:
                continue
            if kind == "audio" and silent and not (lack and lack.code == HealthCode.TIMES_UNUSABLE):
                continue
            if kind not in self._source.unrecordable:
                self._health.problem(kind, None if flow.still else lack)

    def _missing(self, kind: str, flow: TrackFlow, now: float) -> None:
        if kind in self._declared:
            text = f"the source declares a track of {kind} but has sent nothing of it"
            since = max(flow.written_at, self._source.connected_at)
            lack = Lack(HealthCode.TRACK_SILENT, text) if now + LOOK_S - since > PROMISE_S else None
            self._health.problem(kind, lack)
            return
        lack = missing_track(kind, had=flow.received > 0)
        needed = kind in self._named or bool(self.taps.audio if kind == "audio" else self.taps.taps)
        self._health.problem(kind, lack if needed else None)
        if not flow.absent and not needed:
            self._health.note(HealthCode(lack.code), lack.text)
        flow.absent = True
