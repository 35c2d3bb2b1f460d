"""RTP for H.264 and AAC: payloads, packets, sender reports and session description, without I/O."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from rtstream.testsource.faults import Faults
from rtstream.testsource.timeline import AUDIO, VIDEO, LoopedClip, Unit

_MTU = 1400
_HEADER = struct.Struct(">BBHII")
_NTP_UNIX_OFFSET = 2208988800  # seconds from 1900 to 1970
_SSRC = 0x52540000


def h264_payloads(nal_units: list[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield the payloads of one picture and whether each is its last (RFC 6184: single NAL units and FU-A)."""
    for index, nal in enumerate(nal_units):
        last = index == len(nal_units) - 1
        if len(nal) <= _MTU:
            yield nal, last
            continue
        indicator, kind = (nal[0] & 0xE0) | 28, nal[0] & 0x1F
        for at in range(1, len(nal), _MTU):
            end = at + _MTU >= len(nal)
            header = (0x80 if at == 1 else 0) | (0x40 if end else 0) | kind
            yield bytes((indicator, header)) + nal[at : at + _MTU], last and end


def aac_payload(block: bytes) -> bytes:
    """Return one AAC block with its access unit header (RFC 3640, AAC-hbr)."""
    return struct.pack(">HH", 16, len(block) << 3) + block


class RtpTrack:
    """Creates the consecutively numbered RTP packets of one track."""

    def __init__(self, clip: LoopedClip, track: int) -> None:
        self._clip, self.track, self.clock = clip, track, clip.clock(track)
        self._sequence, self._packets, self._octets = 1, 0, 0

    def packets(self, unit: Unit, faults: Faults) -> list[bytes]:
        """Return the packets of a unit as the network delivers them."""
        if self.track == VIDEO:
            sets = self._clip.parameter_sets if unit.keyframe else []
            payloads = h264_payloads(sets + unit.nal_units())
        else:
            payloads = iter([(aac_payload(unit.data), True)])
        delivered = []
        for payload, marker in payloads:
            header = _HEADER.pack(
                0x80, marker << 7 | 96 + self.track, self._sequence, unit.pts & 0xFFFFFFFF, _SSRC + self.track
            )
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._packets += 1
            self._octets += len(payload)
            packet = faults.apply(header + payload, _HEADER.size)
            if packet is not None:
                delivered.append(packet)
        return delivered

    def sender_report(self, seconds: float, epoch: float) -> bytes:
        """Return an RTCP sender report (RFC 3550, 6.4.1).

        It maps the media time ``seconds`` to the Unix time ``epoch + seconds``.
        """
        ntp = epoch + seconds + _NTP_UNIX_OFFSET
        return struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            _SSRC + self.track,
            int(ntp) & 0xFFFFFFFF,
            int(ntp % 1 * 2**32) & 0xFFFFFFFF,
            round(seconds * self.clock) & 0xFFFFFFFF,
            self._packets & 0xFFFFFFFF,
            self._octets & 0xFFFFFFFF,
        )


def session_description(clip: LoopedClip) -> str:
    """Return the SDP of the clip's tracks (RFC 8866)."""
    sets = ",".join(base64.b64encode(item).decode() for item in clip.parameter_sets)
    profile = clip.parameter_sets[0][1:4].hex()
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=synthetic source",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        f"a=fmtp:96 packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}",
        "a=control:track0",
    ]
    if AUDIO in clip.tracks:
        lines += [
            "m=audio 0 RTP/AVP 97",
            f"a=rtpmap:97 mpeg4-generic/{clip.audio_rate}/{clip.audio_channels}",
            "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
            f"config={clip.audio_config.hex()}",
            "a=control:track1",
        ]
    return "\r\n".join(lines) + "\r\n"
