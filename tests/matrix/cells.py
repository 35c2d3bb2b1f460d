"""The cells of the source matrix: a protocol with a pair of codecs, and the server of another project that sends it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

GSTREAMER, NGINX, NGINX_HLS, NODE = "GStreamer", "nginx-rtmp", "ffmpeg and nginx", "node-media-server"
FFMPEG, ICECAST = "ffmpeg", "Icecast"

RTSP_TCP, RTSP_UDP = "RTSP over TCP", "RTSP over UDP"
RTMP, HTTP_FLV = "RTMP", "FLV over HTTP"
HLS_TS, HLS_FMP4 = "HLS with TS", "HLS with fMP4"
SRT, TS_UDP = "SRT", "TS over UDP"
MJPEG, RADIO = "MJPEG over HTTP", "radio over HTTP"

NAMES = {
    **{"h264": "H.264", "hevc": "HEVC", "av1": "AV1", "mjpeg": "MJPEG"},
    **{"aac": "AAC", "pcm_alaw": "G.711 A-law", "opus": "Opus", "mp3": "MP3", "ac3": "AC-3", "": "none"},
}

NOT_SENT = {(RTMP, "hevc", "pcm_alaw")}
"""Combinations for which there is no sender: FFmpeg 8.1 aborts when it writes this one."""


@dataclass(frozen=True)
class Cell:
    """One source. Codecs have the names of FFmpeg, and an empty name means that there is no such track."""

    protocol: str
    video: str
    audio: str
    server: str

    @property
    def id(self) -> str:
        """A name without spaces, for tests."""
        return "-".join([*self.protocol.lower().split(), self.video or "none", self.audio or "none"])


def _crossed() -> list[Cell]:
    """Return the products of protocol, video and audio that the protocols carry."""
    carried = {
        RTSP_TCP: (GSTREAMER, ("aac", "pcm_alaw", "")),
        RTSP_UDP: (GSTREAMER, ("aac", "pcm_alaw", "")),
        RTMP: (NGINX, ("aac", "pcm_alaw", "")),
        HLS_TS: (NGINX_HLS, ("aac", "")),
        HLS_FMP4: (NGINX_HLS, ("aac", "")),
        SRT: (FFMPEG, ("aac", "")),
        TS_UDP: (FFMPEG, ("aac", "")),
    }
    return [
        # The RTMP module of nginx predates HEVC in FLV.
        Cell(protocol, video, audio, NODE if (protocol, video) == (RTMP, "hevc") else server)
        for protocol, (server, sounds) in carried.items()
        for video, audio in product(("h264", "hevc"), sounds)
        if (protocol, video, audio) not in NOT_SENT
    ]


CELLS = [
    *_crossed(),
    Cell(MJPEG, "mjpeg", "", FFMPEG),
    Cell(HTTP_FLV, "h264", "aac", NODE),
    Cell(RTSP_TCP, "h264", "opus", GSTREAMER),
    Cell(HLS_FMP4, "av1", "aac", NGINX_HLS),
    Cell(TS_UDP, "h264", "ac3", FFMPEG),
    Cell(HLS_TS, "h264", "mp3", NGINX_HLS),
    Cell(RADIO, "", "mp3", ICECAST),
    Cell(RADIO, "", "opus", ICECAST),
]
"""All cells, in the order of the table."""
