"""Encodes audio that MP4 has no place for, such as the G.711 of cameras, as AAC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import numpy as np
from av import AudioFrame
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from rtstream.rules.audio_format import AudioFormat
from rtstream.rules.playback_audio import AAC_RATES, FRAME

STORED_AUDIO = {"aac", "mp3", "mp2", "opus", "flac", "ac3", "eac3", "alac"}
"""Codecs that MP4 supports and the muxer writes."""
ENCODED_AUDIO = {
    *("pcm_alaw", "pcm_mulaw", "adpcm_g722", "vorbis", "speex", "nellymoser", "amr_nb", "amr_wb"),
    *("aac_latm", "dts", "truehd", "mlp", "mp1", "s302m"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_u8"),
}
"""Codecs that are encoded as AAC.

Not among them are those whose decoders need the bits or the bytes of a block from outside, which cannot be passed on,
such as G.726.
"""
GAP_S = 0.05  # a larger difference between times and samples means that samples are missing
BITS_PER_SAMPLE, MOST_BIT_RATE = 4, 64_000  # for each channel


def is_recordable(codec: str, rate: int) -> bool:
    """Return whether audio of this codec and sample rate can be recorded, as it is or as AAC."""
    return codec in STORED_AUDIO or (codec in ENCODED_AUDIO and rate in AAC_RATES)


class AudioEncoder:
    """Decodes the packets of a source, and encodes them for a track of a file that it adds.

    Attributes:
        stream: The track.
    """

    def __init__(self, muxer: OutputContainer, source: AudioStream, form: AudioFormat) -> None:
        """Add a track to ``muxer`` for the audio of ``source``, which has the format ``form``."""
        self._layout = "mono" if form.channels == 1 else "stereo"
        self._rate = form.rate
        channels = 1 if form.channels == 1 else 2
        self.stream = cast(AudioStream, muxer.add_stream("aac", rate=form.rate))
        self.stream.codec_context.layout = self._layout
        self.stream.codec_context.bit_rate = channels * min(MOST_BIT_RATE, BITS_PER_SAMPLE * form.rate)
        self._decoder = cast(AudioCodecContext, AudioCodecContext.create(source.codec_context.name, "r"))
        self._decoder.sample_rate = form.rate
        self._decoder.layout = source.codec_context.layout
        if source.codec_context.extradata:
            self._decoder.extradata = source.codec_context.extradata
        self._resampler = AudioResampler("fltp", self._layout, self._rate)
        self._samples: NDArray[np.float32] = np.zeros((channels, 0), np.float32)
        self._next: int | None = None  # time of the first waiting sample, in samples

    def encode(self, packet: Packet, shift: int) -> Iterator[Packet]:
        """Return the packets of the track that ``packet`` completes.

        Args:
            packet: Audio with times in samples.
            shift: Samples to subtract from its times.

        Raises:
            av.error.FFmpegError: The packet is damaged.
        """
        for decoded in self._decoder.decode(packet):
            at = None if decoded.pts is None else decoded.pts - shift
            for frame in self._resampler.resample(decoded):
                yield from self._add(cast("NDArray[np.float32]", frame.to_ndarray()), at)
                at = None

    def finish(self) -> Iterator[Packet]:
        """Return the packets of the samples that do not fill a frame, and those that the encoder holds."""
        yield from self._pad()
        yield from self.stream.encode(None)

    def _add(self, samples: NDArray[np.float32], at: int | None) -> Iterable[Packet]:
        if self._next is None:
            self._next = 0 if at is None else at
        elif at is not None:
            missing = at - (self._next + self._samples.shape[1])
            if missing > GAP_S * self._rate:
                yield from self._pad()
                self._next = max(self._next, at)
            elif missing < -GAP_S * self._rate:
                return  # samples of a time that is encoded already
        self._samples = np.concatenate([self._samples, samples], axis=1)
        while self._samples.shape[1] >= FRAME:
            block, self._samples = self._samples[:, :FRAME], self._samples[:, FRAME:]
            yield from self._encode(block)

    def _pad(self) -> Iterable[Packet]:
        """Encode the waiting samples with silence behind them."""
        waiting = self._samples.shape[1]
        if waiting:
            block = np.pad(self._samples, ((0, 0), (0, FRAME - waiting)))
            self._samples = self._samples[:, :0]
            yield from self._encode(block)

    def _encode(self, block: NDArray[np.float32]) -> Iterable[Packet]:
        assert self._next is not None
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", self._layout)
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._next
        self._next += FRAME
        return self.stream.encode(frame)
