"""Decodes audio for speech recognition: 16 kHz mono, 16 bit, in short blocks."""

from __future__ import annotations

from collections.abc import Callable

from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.packet import Packet

from rtstream.messages import AudioTaken, Message
from rtstream.rules.mono import layout_for, to_mono

RATE = 16_000  # samples per second
BLOCK_S = 0.1
GAP_S = 0.05  # a larger difference between the two clocks means that samples are missing


class AudioTap:
    """Decodes and resamples audio while it is on. Packets must carry ticks of the time line (``rate`` per second)."""

    def __init__(
        self,
        context: AudioCodecContext,
        rate: int,
        send: Callable[[Message], None],
        count: Callable[[str], None],
    ) -> None:
        self._context, self._rate, self._send, self._count = context, rate, send, count
        self._on = False
        self.restart()

    @property
    def is_on(self) -> bool:
        """Whether audio is decoded."""
        return self._on

    def set_on(self, on: bool) -> None:
        """Turn decoding on or off."""
        if on != self._on:
            self._on = on
            self.restart()

    def restart(self) -> None:
        """Reset the state, because the time line starts over."""
        self._samples = bytearray()
        self._time: float | None = None  # Unix time of the first waiting sample
        self._resampler: AudioResampler | None = None  # made for the layout of the next frame
        if self._context.is_open:
            self._context.flush_buffers()

    def add(self, packet: Packet, offset: float | None) -> None:
        """Add a packet. ``offset`` is the Unix time at the start of the time line, or None while unknown."""
        if not self._on or offset is None:
            return
        try:
            for frame in self._context.decode(packet):
                if frame.pts is None:
                    continue
                time = frame.pts / self._rate + offset
                self._align(time)
                if self._resampler is None:
                    layout = layout_for(frame.layout.nb_channels)
                    self._resampler = AudioResampler(format="s16", layout=layout, rate=RATE)
                for resampled in self._resampler.resample(frame):
                    self._samples += to_mono(resampled.to_ndarray()[0], resampled.layout.nb_channels).tobytes()
        except (FFmpegError, ValueError):
            # A ValueError means that the source changed its sample format, which a resampler cannot follow.
            self._count("audio_corrupt")
            self.restart()
            return
        while len(self._samples) >= BLOCK_S * RATE * 2:
            self._send_block(round(BLOCK_S * RATE) * 2)

    def finish(self) -> None:
        """Send the samples that do not fill a block, because no more packets follow."""
        if self._samples:
            self._send_block(len(self._samples))

    def _align(self, time: float) -> None:
        """Keep the time of the waiting samples aligned with the source's clock."""
        if self._time is None:
            self._time = time
        elif abs(self._time + len(self._samples) / (2 * RATE) - time) > GAP_S:
            if self._samples:
                self._send_block(len(self._samples))
            self._resampler = None
            self._time = time

    def _send_block(self, size: int) -> None:
        assert self._time is not None
        self._send(AudioTaken(self._time, bytes(self._samples[:size])))
        del self._samples[:size]
        self._time += size / (2 * RATE)
