"""One connection to a source. Timestamps its packets and passes them to the recording, pictures and audio."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from av.packet import Packet

from rtstream.messages import RecorderSpec, SetTaps, SnapshotTaken
from rtstream.recorder.audio import AudioTap
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.failures import FormatChanged
from rtstream.recorder.frames import PACE_S, CurrentGop, JpegEncoder, Sampler, bundle_s, current_picture
from rtstream.recorder.outbox import Outbox
from rtstream.recorder.parameter_sets import holds_picture
from rtstream.recorder.picture_clock import ARRIVAL_BASE, PictureClock
from rtstream.recorder.program_date import ProgramDate, program_date
from rtstream.recorder.recording_sequence import RecordingSequence
from rtstream.recorder.source import Source
from rtstream.recorder.source_health import SourceHealth
from rtstream.recorder.source_media import UNCERTAIN, SourceMedia
from rtstream.recorder.steady_clock import SteadyClock
from rtstream.recorder.track_health import TrackHealth
from rtstream.recorder.writer import VIDEO_RATE
from rtstream.rules.timestamps import PacketVerdict, Placed, Timeline, Track, backdate, is_stale
from rtstream.rules.track_flow import TIMES, TrackFlow
from rtstream.rules.wall_clock import WallClock
from rtstream.states import HealthCode

log = logging.getLogger(__name__)

LIVE_S = 0.03  # with a lag below this, no further packet can have arrived
MOST_GUESSES = 4
BEHIND_S = 2.0
BURST_S = 30.0  # a source that starts this far ahead of real time is read at real-time pace
AHEAD_S = 0.5
UNDATED = 16  # packets, at the beginning of an RTSP source and after a pause of it
PAUSE_S = 1.0  # while nothing arrives for longer, or this process stands still, pictures are not missing
HLS_OLDEST_S = 120.0  # an HLS picture that is older than this on arrival has a wrong date
MOST_EMPTY = 3
STILL_S = 10.0  # without video, the audio is recorded alone after this time
FIRST_STILL_S = 2.0  # the same if no video has come yet


class Session:
    """State of one connection. Calls are serialised by the recorder, except :meth:`snapshot`."""

    def __init__(
        self,
        spec: RecorderSpec,
        source: Source,
        outbox: Outbox,
        sync: DiskSync,
        flows: Mapping[str, TrackFlow],
        steady: SteadyClock | None = None,
    ) -> None:
        self.source = source
        self._spec, self._outbox = spec, outbox
        self.media = SourceMedia(source.video, source.audio, source.media)
        self.health = SourceHealth(outbox.send, lambda: self.media.shown)
        tracks: dict[int, Track] = {}
        self._video = self._audio = -1
        self._empty_keyframes = 0  # in a row
        self._sampler = self._sound = self._gop = None
        if source.video is not None:
            assert source.video.time_base is not None  # always set for streams of an input
            self._video = source.video.index
            tracks[self._video] = Track(ARRIVAL_BASE if source.clockless else source.video.time_base, VIDEO_RATE)
            self._sampler = Sampler(source.video.codec_context, VIDEO_RATE, outbox.send, outbox.count)
            self._gop = CurrentGop(source.video.codec_context)
        if source.audio is not None:
            rate = self.media.audio_format.rate
            assert source.audio.time_base is not None
            self._audio = source.audio.index
            tracks[self._audio] = Track(source.audio.time_base, rate)
            self._sound = AudioTap(source.audio.codec_context, rate, outbox.send, outbox.count)
        self._paced, self._buffered = source.paced, source.buffered
        self._may_burst = source.hls or not source.carried
        self._rates = {index: track.output for index, track in tracks.items()}
        self._lead = self._video if source.video is not None else self._audio
        self._timeline = Timeline(tracks, self._lead)
        self._still = False  # the source sends audio and no video, as a screen that does not change
        self._still_s = FIRST_STILL_S
        self._frozen: tuple[float | None, float] = None, 0.0  # offset and time of the last picture
        self._held: Packet | None = None
        self._repeated = False
        self._clock, self._dates = self._new_clock(), self._ask_playlist()
        self._clock_moved = False
        self._first_arrival: float | None = None
        self._opened = time.monotonic()
        self._arrivals = None
        if source.video is not None and source.clockless:
            known = source.video.codec_context.extradata or b""
            self._arrivals = PictureClock(self.media.video_codec, self._opened, known)
        self._undated: list[Packet] = []
        by_kind = {True: flows["video"], False: flows["audio"]}
        self._flows = {index: by_kind[index == self._video] for index in tracks}
        for flow in self._flows.values():
            if flow.kind in source.carried:
                flow.connect_again()
            else:
                flow.connect(self._opened)
        self._recordings = RecordingSequence(spec, self.media, outbox, sync, self._clock, self.health, by_kind)
        self._track_health = TrackHealth(spec, source, flows, self.health)
        if source.carried:  # a track that is silent for long stays so in health
            self._track_health.check(still=False, silent=False)
        self._lead_at = 0.0
        self._steady = steady or SteadyClock()
        self._steady.adopt()
        self._last_lead = self._last_arrival = self._steady.now()
        self._last_idle = time.monotonic()
        self.lag_s = 0.0
        self._bundle_s = bundle_s(SetTaps({}))
        self._live = False  # the last processed packet arrived without lag
        self._guesses = 0  # in a row

    def _new_clock(self) -> WallClock:
        # HLS arrives in bursts of whole segments.
        return WallClock(tolerance_s=15.0 if self.source.hls else 1.0, window_s=30.0 if self.source.hls else 10.0)

    def _ask_playlist(self) -> ProgramDate | None:
        """Read the dates in the playlist of a live HLS source. Blocks for up to two seconds."""
        return program_date(self._spec, self.source) if self.source.hls and not self.source.paced else None

    def set_taps(self, taps: SetTaps) -> None:
        """Set the pictures to sample, and whether to send audio."""
        self._bundle_s, self._track_health.taps = bundle_s(taps), taps
        if self._sampler is not None:
            self._sampler.set_taps(taps.taps)
        if self._sound is not None:
            self._sound.set_on(taps.audio)

    def adjust(self, spec: RecorderSpec) -> None:
        """Apply new limits. The length of segments changes with the next recording."""
        self._spec = spec
        self._recordings.adjust(spec)

    def process(self, packet: Packet, arrival: float, blocked_s: float, *, repeated: bool = False) -> None:
        """Process a packet.

        Args:
            packet: A packet of the video or audio.
            arrival: Its arrival in seconds on the steady clock.
            blocked_s: Duration of its read in seconds.
            repeated: Whether an earlier session has processed it, so that it is only recorded.

        Raises:
            FormatChanged: The source has to be opened again.
        """
        index = packet.stream_index
        self._repeated = repeated
        if not repeated:
            self._flows[index].received += 1
        self._live = False
        if blocked_s > 0.005:
            self._last_idle = time.monotonic()
        if index == self._audio and self.media.audio_changes(packet) and not self._take_audio(packet):
            return
        if index == self._video:
            self.media.mark_keyframe(packet)
        if self._arrivals is not None and (fps := self._arrivals.set(packet)) is not None:
            self.media.measured(fps)
            self.health.publish()
        if index != self._lead:
            if self._clock.offset is None:
                self._clock.settle(arrival)
            if arrival - self._last_arrival > PAUSE_S:
                self._last_lead += arrival - self._last_arrival
            late = self._still or arrival - self._last_lead > self._still_s
            if late and not self._change_lead(index, packet, arrival):
                return
        self._last_arrival = arrival
        self._proceed(packet, index, arrival)

    def _proceed(self, packet: Packet, index: int, arrival: float) -> None:
        """Place a packet on the timeline, and record it."""
        waited_s = arrival - self._last_lead
        if index == self._lead:
            self._last_lead = arrival
        if index == self._lead and (packet.is_keyframe or index != self._video):
            if self._steady.step_s:
                arrival = self._follow_clock(arrival)
            elif self._clock_moved:
                self._restart("the source's clock moved")
        if index == self._video:
            dts = packet.dts
            undated = dts is None or (bool(self._undated) and is_stale(dts, packet.pts, packet.time_base))
            if undated and len(self._undated) < UNDATED:
                self._undated.append(packet)
                return
            if dts is not None and self._undated:
                self._date(packet, dts, arrival)
        placed = self._timeline.place(index, packet.dts, packet.pts, waited_s)
        if isinstance(placed, Placed):
            if self._held is not None and index == self._lead:
                self._held = None
                self._drop(index, TIMES)
            self._place(packet, index, placed, arrival)
        elif placed is PacketVerdict.JUMP:
            held, self._held = self._held, None
            self._restart("timestamps jumped")
            if held is not None:
                self._proceed(held, held.stream_index, arrival)
            self._proceed(packet, index, arrival)
        elif placed is PacketVerdict.HOLD:
            self._held = packet
        elif placed is PacketVerdict.DROP:
            self._drop(index, TIMES)
        elif placed is PacketVerdict.EARLY and not self._repeated:
            self._flows[index].drop("before_video")

    def _drop(self, index: int, reason: str) -> None:
        self._outbox.count(reason)
        self._flows[index].drop(reason)

    def _change_lead(self, index: int, packet: Packet, arrival: float) -> bool:
        """Record the audio alone while the source sends no video, and both once it does again.

        Returns:
            Whether the packet can be recorded.
        """
        if index == self._video and not packet.is_keyframe:
            return False
        self._still = index != self._video
        if self._still:
            self._frozen = self._clock.estimate(), self._lead_at
        change = "the source sends no video at present" if self._still else "the source sends video again"
        self._restart(change)
        self._lead = self._timeline.lead = index
        self._last_lead = arrival
        self.media.still = self._still
        self._tell_change(change)
        return True

    def _follow_clock(self, arrival: float) -> float:
        """Begin a recording at the time to which the computer's clock was set. Returns ``arrival`` on that clock."""
        step = self._steady.step_s
        self._steady.adopt()
        self._last_lead = self._last_arrival = arrival + step
        reason = f"the clock of this computer was set {'forward' if step > 0 else 'back'} by {abs(step):.1f} s"
        self._restart(reason)
        self.health.note(HealthCode.CLOCK_STEPPED, f"{reason}, so a new recording began")
        return arrival + step

    def _date(self, packet: Packet, dts: int, arrival: float) -> None:
        """Process the packets without a decode time that preceded ``packet``, the first with one."""
        undated, self._undated = self._undated, []
        step = round(1 / ((self.source.media["fps"] or 25.0) * float(packet.time_base)))
        times = backdate([earlier.pts for earlier in undated], dts, step)
        for earlier, (earlier.dts, earlier.pts) in zip(undated, times, strict=True):
            self._proceed(earlier, earlier.stream_index, arrival)

    def _place(self, packet: Packet, index: int, placed: Placed, arrival: float) -> None:
        rate, base, scale = self._rates[index]
        at, shown_at = placed.dts / rate, placed.pts / rate
        if index == self._lead:
            if self._clock.offset is None:
                self._ask_sender(packet, shown_at, arrival)
            self._keep_time(at, shown_at, arrival)
        packet.dts, packet.pts = placed.dts, placed.pts
        if base is not None:
            packet.time_base, packet.duration = base, round((packet.duration or 0) * scale)
        is_video = index == self._video
        if is_video and self._sampler is not None and self._gop is not None:
            if packet.is_keyframe:
                self._flows[index].keyframes += 1
                self._check_format(packet)
            elif reason := self._sampler.keyframes_missing(at):
                raise FormatChanged(reason)
            self._gop.add(packet, shown_at)
            behind = self.lag_s > BEHIND_S and time.monotonic() - self._last_idle > BEHIND_S / 2
            self._sampler.add(packet, at, self._clock.offset, behind)
        elif self._sound is not None:
            self._recordings.note_audio()
            if self._repeated:
                self._flows[index].received += 1
            else:
                self._sound.add(packet, self._clock.offset)
        if self._spec.record and not self._empty_keyframes:
            self._recordings.add(packet, is_video, placed, at)

    def _ask_sender(self, packet: Packet, shown_at: float, arrival: float) -> None:
        """Set the clock by the sender, from RTCP sender reports of RTSP or dates in the playlist of HLS."""
        if packet.pts is None:
            return
        stamp = float(packet.pts * packet.time_base)
        zero = self.source.container.start_time_realtime  # microseconds; wall-clock time of timestamp 0
        if zero:
            self._clock.believe(zero / 1e6 + stamp, shown_at, arrival)
        elif self._dates is not None and (date := self._dates.of(stamp, arrival)) is not None:
            self._clock.believe(date, shown_at, arrival, oldest_s=HLS_OLDEST_S)

    def _keep_time(self, at: float, shown_at: float, arrival: float) -> None:
        """Update the wall-clock time of the timeline, and the lag of the recorder."""
        self._lead_at = at
        clock = self._clock
        if self._first_arrival is None:
            self._first_arrival, self._still_s = arrival, STILL_S
            if self._paced or self._arrivals is not None:
                clock.offset = max(arrival, self.source.resumes_at) - at
        if self._may_burst and clock.offset is None and at - (arrival - self._first_arrival) > BURST_S:
            # The burst is footage from the past, and its newest packet is current.
            self._paced = True
            clock.offset = arrival - at
        if self._paced:
            self.lag_s = arrival - at - (clock.offset or 0.0)
        else:
            self._clock_moved |= not clock.observe(arrival, at, shown_at)
            self.lag_s = clock.lag(arrival, at)
            self._live = self.lag_s < LIVE_S

    def pause(self, now: float, blocked_s: float) -> float:
        """Return the seconds to wait before the next read.

        Args:
            now: Seconds on the steady clock.
            blocked_s: Duration of the last read in seconds.
        """
        # Not the offset, because it may follow the sender's clock, which can differ from ours.
        start = self._clock.offset if self._paced else self._clock.settled
        if start is None:
            return 0.0
        ahead = self._lead_at + start - now
        if self._paced:
            # Slightly longer than necessary, so that several packets are read at once.
            wait = ahead + PACE_S / 2 if ahead > 0 else 0.0
        elif self.source.hls:
            return 0.0
        elif ahead > AHEAD_S:
            wait = min(ahead - AHEAD_S, 1.0)
        elif self._buffered and self.lag_s < 0.75 * self._bundle_s and self._drained(blocked_s):
            wait = self._bundle_s
        else:
            return 0.0
        self._last_idle = time.monotonic() + wait
        return wait

    def _drained(self, blocked_s: float) -> bool:
        """Return whether all packets that have arrived were read.

        That is certain if the last read, of ``blocked_s`` seconds, had to wait, and likely if the packet was live.
        """
        if blocked_s > 0.001:
            self._guesses = 0
            return True
        # A read that only finds no packet costs a wake-up. A few in a row are therefore saved, but not all, because the
        # lag below which a packet counts as live could drift.
        if self._live and self._guesses < MOST_GUESSES:
            self._guesses += 1
            return True
        return False

    def _check_format(self, packet: Packet) -> None:
        """Follow a change of the video's format that begins with a keyframe."""
        self._empty_keyframes = 0 if holds_picture(packet, self.media.video_codec) else self._empty_keyframes + 1
        if self._empty_keyframes >= MOST_EMPTY:
            raise FormatChanged
        change = self.media.video_changed(packet)
        if change is None:
            return
        if self._sampler is not None and self._gop is not None:
            self._sampler.replace(self.media.video_context())
            self._gop.replace(self.media.video_context())
        self._recordings.format_changed()
        self._tell_change(change)

    def _take_audio(self, packet: Packet) -> bool:
        """Follow a change of the audio's format. Returns whether ``packet`` can be processed."""
        change = self.media.audio_changed(packet)
        if change == UNCERTAIN:
            self._drop(self._audio, "audio_uncertain")
            return False
        if change is not None:
            assert self.source.audio is not None
            rate = self.media.audio_format.rate
            track = Track(self._timeline.tracks[self._audio].time_base, rate)
            self._rates[self._audio] = track.output
            self._recordings.format_changed()
            if self._video < 0:
                self._restart(change)  # the new track is the one that leads
            self._timeline.replace(self._audio, track)
            taps, self._sound = (
                self._sound,
                AudioTap(self.media.audio_context(), rate, self._outbox.send, self._outbox.count),
            )
            self._sound.set_on(taps is not None and taps.is_on)
            self._tell_change(change)
        return True

    def _tell_change(self, change: str) -> None:
        """Show the media as it is now, and the change if the format was known before."""
        log.info(change or "the format is known now")
        if change:
            self.health.note(HealthCode.FORMAT_CHANGED, f"{change}, so a new recording began")
        else:
            self.health.publish()

    def _restart(self, reason: str) -> None:
        """Begin a new recording with a timeline and clock of its own."""
        log.info("new recording: %s", reason)
        self.finish()
        self._timeline.restart()
        self._undated = []
        self._clock, self._clock_moved, self._first_arrival = self._new_clock(), False, None
        self._recordings.clock = self._clock
        self._dates = self._ask_playlist()
        if self._sampler is not None and self._gop is not None and not self._still:
            self._sampler.restart()
            self._gop.clear()
        if self._sound is not None:
            self._sound.restart()

    def check(self) -> None:
        """Show in health which tracks are not stored although they should be. May run concurrently with the others."""
        if self._timeline.aligned is not None:
            (index, skew_s), self._timeline.aligned = self._timeline.aligned, None
            kinds = ("video", "audio") if index == self._video else ("audio", "video")
            text = "the times of the {} are {:.0f} s off those of the {}, so it is aligned by its arrival"
            self.health.note(HealthCode.TIMES_UNUSABLE, text.format(kinds[0], skew_s, kinds[1]))
        self._track_health.check(still=self._still, silent=self._recordings.audio_is_silent)

    @property
    def reached(self) -> float:
        """Unix seconds at which the newest packet ends, or 0."""
        offset = self._clock.estimate()
        return 0.0 if offset is None else offset + self._lead_at + 1 / float(str(self.media.shown.get("fps") or 25.0))

    def finish(self) -> None:
        """Close the recording, if one is open, with the packets that waited for it."""
        self._held = None
        self._recordings.finish()

    def snapshot(self, request: int, max_side: int, encoder: JpegEncoder) -> SnapshotTaken:
        """Return the current picture. May run concurrently with :meth:`process`."""
        offset, reached = self._frozen if self._still else (self._clock.estimate(), self._lead_at)
        if self._sampler is None or self._gop is None:
            return SnapshotTaken(request, reason="the stream has no pictures")
        if offset is None:
            return SnapshotTaken(request, reason="no picture has arrived yet")
        found = current_picture(self._sampler, self._gop, offset, reached)
        if found is None:
            return SnapshotTaken(request, reason="no whole picture has arrived yet")
        frame, time_s, aspect = found
        jpeg, width, height = encoder.encode(frame, max_side, aspect)
        return SnapshotTaken(request, time_s, width, height, "", jpeg)
