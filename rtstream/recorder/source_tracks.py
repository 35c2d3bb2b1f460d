"""Finds tracks that a source did not have when it was opened, and opens its demuxer again to read them."""

from __future__ import annotations

import time

from av.error import PatchWelcomeError
from av.packet import Packet
from av.stream import Stream

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import FormatChanged, SourceFailed
from rtstream.recorder.source import Source, reopen
from rtstream.recorder.source_media import SourceMedia
from rtstream.recorder.stream_buffer import MOST_BYTES
from rtstream.recorder.stream_listing import track_kinds
from rtstream.recorder.writer import codec_of
from rtstream.rules.flv import TAG_HEAD, flv_beginning, tag_end
from rtstream.rules.mpegts_tables import described_tracks, newest_tables

SILENT_S = 1.0
"""A track without packets for this long may have been replaced by another one."""
HELD_S = 5.0
"""The bytes since the last packet of a track are kept for this long, because they may begin its replacement."""
LOOK_S = 1.0
SPARSE_S = 120.0  # longest read from the codec library, because pictures may be minutes apart
TRY_AGAIN_S, LONGEST_TRY_S = 1.0, 60.0  # doubled each time that the new track does not send for ``PROVEN_S``
PROVEN_S = 5.0


class TracksChanged(Exception):
    """The source has other tracks than when it was opened.

    Args:
        text: The change, as words for people.
        replaced: Kind of a track that was replaced by another one, or empty.
        start: Position of the packet that revealed the change. By default, the bytes of some seconds are read again.
    """

    def __init__(self, text: str, replaced: str = "", start: int | None = None) -> None:
        super().__init__(text)
        self.replaced, self.start = replaced, start


class TrackWatch:
    """Watches which tracks of a source send packets, and looks for new ones when a wanted one does not."""

    def __init__(self, source: Source, spec: RecorderSpec, next_try: dict[str, tuple[float, float]]) -> None:
        """Watch a source.

        Args:
            source: The open source.
            spec: The kinds of tracks to read, and the longest silence of the source.
            next_try: By kind, the monotonic time before which a new track is not tried again because it could not be
                read, and the wait in seconds. Updated.
        """
        self._source, self._wanted, self._next_try = source, spec.media_types, next_try
        self._stall_s = spec.stall_timeout_s
        self.buffer = source.input.buffer if source.rereadable and source.input is not None else None
        chosen = [stream for stream in (source.video, source.audio) if stream is not None]
        self.streams: list[Stream] = [*chosen, *source.unknown]
        self._unknown = {stream.index: stream.type for stream in source.unknown}
        self._skipped = {stream.index: source.positions.get(stream.type, -1) for stream in chosen}
        self.arrivals = {stream.index: time.monotonic() for stream in chosen}
        """Monotonic time of the last packet of each track."""
        self._positions = dict(self._skipped)
        self._counts = {stream.index: source.counts.get(stream.type, 0) for stream in chosen}
        self._left: dict[int, int] = {}  # packets to skip from the position on that is skipped
        self._kinds = {stream.index: stream.type for stream in chosen}
        self.is_repeated = False
        """Whether the last packet was processed before, and belongs to the recording that begins with other video."""
        self.is_simple = self.buffer is None and not self._unknown
        """Whether nothing has to be done for a packet before ``next_look`` except to note its arrival."""
        self.next_look = 0.0
        self._joining = ""  # kind of the track that will be read from the next keyframe on
        self._proven_at = time.monotonic() + PROVEN_S
        self._pids = {stream.index: stream.id for stream in chosen}
        self._listed: set[int] = set()  # PIDs in the tables at the opening
        self._in_ts = self.buffer is not None and source.container.format.name == "mpegts"
        if self.buffer is not None and self._in_ts:
            self._listed = {pid for pid, _ in described_tracks(self.buffer.kept(self.buffer.base, MOST_BYTES))}
            self.buffer.moved = self._moved

    def passes_over(self, packet: Packet, now: float) -> bool:
        """Note a packet at the monotonic time ``now``. Returns whether it was processed before, and is not needed.

        Raises:
            TracksChanged: The source now sends a track that was not known at opening.
            SourceFailed: The source is silent. The codec library returns a last picture then, and would wait once more.
        """
        index = packet.stream_index
        if index in self._unknown:
            self._try(self._unknown[index], now)
            return True
        self.arrivals[index] = now
        if self._joining and packet.is_keyframe and self._kinds[index] == "video":
            raise self._changed(self._joining)
        if self.buffer is not None:
            self._note(index, packet.pos)
            self.is_repeated = self._skipped[index] >= 0
            if self.is_repeated and not (self._kinds[index] == "audio" and "video" in self._kinds.values()):
                return True
        if now >= self.next_look:
            if now - self.next_look > self._stall_s - 2 * LOOK_S and self._source.silent_s > self._stall_s:
                raise self._source.failed(TimeoutError(), self._stall_s)
            self.next_look = now + LOOK_S
            self._look(now)
        return False

    def _note(self, index: int, position: int | None) -> None:
        """Note the position of a packet. Skipping its track ends behind the last packet that was processed."""
        if position is not None and position >= 0:
            position += self.buffer.base if self.buffer is not None else 0
            if position > self._positions[index]:
                self._positions[index], self._counts[index], self._skipped[index] = position, 0, -1
            elif position == self._skipped[index]:
                self._left[index] = self._counts[index]
        if self._skipped[index] >= 0 and index in self._left:
            self._left[index] -= 1
            if self._left[index] < 0:
                self._skipped[index] = -1
        if self._skipped[index] < 0:
            self._counts[index] += 1

    @property
    def patience_s(self) -> float:
        """Longest time in seconds that a read may take."""
        if self.buffer is None and not self._source.hls:
            return max(self._stall_s, SPARSE_S)
        # An HLS read lasts as long as the server takes to publish the next segment.
        return self._stall_s * (3 if self._source.hls else 1)

    def following(self, changed: FormatChanged, packet: Packet) -> TracksChanged | FormatChanged:
        """Return the consequence of a packet of another format: to read it again, or to connect again."""
        position = packet.pos
        if not changed.kind:
            return changed
        if not self._in_ts or self.buffer is None or position is None or position < 0:
            return FormatChanged(f"{changed}, so it is connected again")
        self._note_positions()
        return TracksChanged(str(changed), changed.kind, position + self.buffer.base)

    def failed(self, exc: Exception) -> SourceFailed | FormatChanged:
        """Return the consequence of a failed read."""
        if isinstance(
            exc, PatchWelcomeError
        ):  # a chained Ogg stream of another format, such as the next song of a radio
            return FormatChanged("the format of the audio changed, so it is connected again")
        return self._source.failed(exc, self._stall_s)

    def ended(self) -> None:
        """Raise TracksChanged if the source has not ended, but sends no track that is read any more."""
        if self.buffer is not None and self.buffer.starved:
            raise self._changed("video" if "video" in self._kinds.values() else "audio")
        opened = self._source.input
        if opened is None:
            return
        if opened.bridge is not None and opened.bridge.has_new_tracks:
            raise FormatChanged("the source sends other tracks, so it is connected again")
        if self._source.hls and opened.io_open is not None and opened.io_open.advance():
            raise TracksChanged("the source sends another init segment or other tracks")

    def _look(self, now: float) -> None:
        missing = [kind for kind in self._wanted if not self._sends(kind, now)]
        new = self._returned() if missing and self._in_ts else set[str]()
        if self.buffer is not None:
            self.buffer.fed(self._held(now))
        if now > self._proven_at:
            for kind in {*self._next_try}.difference(missing):
                del self._next_try[kind]
        if not missing:
            return
        known = len(self._source.container.streams)
        new |= {kind for index, kind in track_kinds(self._source.container).items() if index >= known}
        for kind in missing:
            if kind in new:
                self._try(kind, now)

    def _returned(self) -> set[str]:
        """Return the kinds of tracks that moved to a PID that the demuxer knows and does not read, by its tables."""
        listed = {pid for pid, _ in described_tracks(self.buffer.recent)} if self.buffer is not None else set[int]()
        gone = {kind for index, kind in self._kinds.items() if self._pids[index] not in listed}
        read = {*self._pids.values(), *(stream.id for stream in self._source.unknown)}
        found = {stream.id: stream.type for stream in self._source.container.streams if stream.id in listed - read}
        had = {*self._kinds.values()}
        return {kind for pid, kind in found.items() if kind in gone or (kind not in had and pid not in self._listed)}

    def _moved(self, data: bytes) -> bool | None:
        """Return whether the newest tables of a transport stream list a new track, or lack one that has just sent."""
        listed = {pid for pid, _ in described_tracks(data)}
        if not listed:
            return None
        now = time.monotonic()
        sent = {self._pids[index] for index, at in self.arrivals.items() if now - at < HELD_S}
        self._listed = self._listed or listed
        return not (sent or {*self._pids.values()}) <= listed or not listed <= self._listed

    def _held(self, now: float) -> int:
        """Return the position before which no byte will be read again."""
        if self._joining:
            return -1
        recent = [self._positions[index] for index, at in self.arrivals.items() if now - at < HELD_S]
        return min(recent, default=max(self._positions.values()))

    def _sends(self, kind: str, now: float) -> bool:
        return any(now - self.arrivals[index] < SILENT_S for index, each in self._kinds.items() if each == kind)

    def _try(self, kind: str, now: float) -> None:
        at, wait_s = self._next_try.get(kind, (now, TRY_AGAIN_S))
        if now >= at:
            wait_s = TRY_AGAIN_S if now > at + LONGEST_TRY_S else min(2 * wait_s, LONGEST_TRY_S)
            self._next_try[kind] = now + wait_s, wait_s
            if self.buffer is not None and kind == "audio" and self._sends("video", now):
                self._joining = kind  # only then, because the video before a keyframe would be lost
                return
            changed = self._changed(kind)
            if self._source.hls:  # its newest segments cannot be read again
                raise FormatChanged(f"{changed}, so it is connected again")
            raise changed

    def _note_positions(self) -> None:
        for index, each in self._kinds.items():
            self._source.positions[each], self._source.counts[each] = self._positions[index], self._counts[index]

    def _changed(self, kind: str) -> TracksChanged:
        self._note_positions()
        present = kind in self._kinds.values()
        if present:
            return TracksChanged(f"the source sends another {kind} track", kind)
        return TracksChanged(f"the source now sends {kind}")


def read_again(source: Source, media: SourceMedia, spec: RecorderSpec, changed: TracksChanged) -> Source:
    """Open the demuxer of a source again at its newest bytes.

    Args:
        source: The source.
        media: The media that it carried until now.
        spec: The stream.
        changed: The change.

    Raises:
        SourceFailed: It cannot be opened.
    """
    assert source.input is not None
    if source.input.buffer is None:
        return reopen(source, spec)
    prefix, start, replaced = b"", changed.start, changed.replaced
    if start is not None:
        begin, kept = source.input.buffer.newest()
        prefix, at = newest_tables(kept)
        start = max(start, begin + at) if prefix else None  # the first packet of a codec may begin with the last one
        source.positions[replaced] = source.positions[replaced] if start is None else start - 1
    elif "flv" in source.container.format.name:
        video, audio = media.video, media.audio
        prefix = flv_beginning(
            "" if replaced == "video" else media.video_codec,
            media.configuration or (b"" if video is None else video.codec_context.extradata or b""),
            "" if replaced == "audio" else media.audio_codec,
            media.audio_configuration or (b"" if audio is None else audio.codec_context.extradata or b""),
        )
        if replaced:  # read from behind its last packet, because FLV names the codec in each packet
            last = source.positions.get(replaced, -1)
            start = tag_end(last, source.input.buffer.kept(last, TAG_HEAD))
    source.input.buffer.rewind(prefix, start)
    before = _identities(source)
    again = reopen(source, spec)
    if _identities(again) != before:
        source.input.buffer.note_other_tracks()
    return again


def _identities(source: Source) -> set[tuple[int, str]]:
    return {(track.id, codec_of(track)) for track in (source.video, source.audio) if track is not None}
