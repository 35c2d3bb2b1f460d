"""Serves the looped clip over RTSP (RFC 2326), with RTP over the same connection or UDP, and sender reports."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rtstream.testsource.connections import SourceConnections, read_head
from rtstream.testsource.faults import Faults
from rtstream.testsource.rtp import RtpTrack, session_description
from rtstream.testsource.timeline import VIDEO, LoopedClip, Unit

_REPORT_SECONDS = 5.0
_UDP_BURST = 16
"""Number of UDP packets sent at once, because receivers' sockets buffer little."""
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER"

Packet = tuple[int, bool, bytes]
"""Track, whether it is RTCP, and the bytes."""


@dataclass
class _UdpTrack:
    rtp: socket.socket
    rtcp: socket.socket
    client: str
    port: int  # the client's RTP port; RTCP goes to the next one


@dataclass(eq=False)
class _Session:
    writer: asyncio.StreamWriter
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    channels: dict[int, int] = field(default_factory=dict)  # track -> interleaved channel
    udp: dict[int, _UdpTrack] = field(default_factory=dict)
    backlog: deque[Packet] = field(default_factory=lambda: deque(maxlen=20_000))  # UDP packets still to send
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    playing: bool = False
    waiting: bool = False  # for a keyframe


class _Response(NamedTuple):
    status: str
    headers: Sequence[str] = ()
    body: bytes = b""


class RtspServer:
    """Serves one mount, ``/live``, to any number of clients."""

    def __init__(self, clip: LoopedClip, faults: Faults, epoch: float, auth: str | None) -> None:
        self._faults, self.epoch = faults, epoch
        self._description = session_description(clip).encode()
        self._tracks = {track: RtpTrack(clip, track) for track in clip.tracks}
        self.connections = SourceConnections(self._serve_one, faults, auth)
        self._sessions: set[_Session] = set()
        self._gop: list[Packet] = []
        self._now = 0.0
        self._next_report = 0.0

    def publish(self, unit: Unit) -> None:
        """Send a unit to every client."""
        track = self._tracks[unit.track]
        keyframe = unit.track == VIDEO and unit.keyframe
        self._now = unit.pts / track.clock
        packets: list[Packet] = []
        if self._now >= self._next_report:
            self._next_report = self._now + _REPORT_SECONDS
            packets += self._reports()
        packets += [(unit.track, False, packet) for packet in track.packets(unit, self._faults)]
        if keyframe:
            self._gop = []
        self._gop += packets
        for session in self._sessions:
            session.waiting = self._faults.stalled or (session.waiting and not keyframe)
            if session.playing and not session.waiting:
                self._send(session, packets)

    def shift(self, epoch: float) -> None:
        """Continue with other timestamps, whose zero is at the Unix time ``epoch``. A report precedes the next unit."""
        self.epoch, self._next_report = epoch, float("-inf")

    def close(self) -> None:
        """Do nothing, because sockets belong to their sessions."""

    def _reports(self) -> list[Packet]:
        return [(number, True, track.sender_report(self._now, self.epoch)) for number, track in self._tracks.items()]

    def _send(self, session: _Session, packets: list[Packet]) -> None:
        framed = bytearray()
        for track, control, packet in packets:
            if track in session.channels:
                framed += b"$" + bytes((session.channels[track] + control,)) + len(packet).to_bytes(2, "big") + packet
        if framed:
            self.connections.send(session.writer, bytes(framed))
        if session.udp:
            session.backlog.extend(packets)
            session.wake.set()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(writer)
        self._sessions.add(session)
        udp_sender: asyncio.Task[None] | None = None
        try:
            while (begun := await reader.readexactly(1)) != b"":
                if begun == b"$":  # RTCP from the client
                    head = await reader.readexactly(3)
                    await reader.readexactly(int.from_bytes(head[1:], "big"))
                    continue
                line, headers = await read_head(reader, begun)
                await reader.readexactly(int(headers.get("content-length", "0")))
                method = line.split(" ")[0]
                writer.write(_encode(self._respond(session, line, headers), headers.get("cseq", "0")))
                if method == "PLAY" and session.playing and udp_sender is None:
                    self._join(session)
                    udp_sender = asyncio.create_task(_send_udp(session)) if session.udp else None
                if method == "TEARDOWN":
                    await writer.drain()
                    return
        finally:
            self._sessions.discard(session)
            if udp_sender:
                udp_sender.cancel()
            for track in session.udp.values():
                track.rtp.close()
                track.rtcp.close()

    def _join(self, session: _Session) -> None:
        """Start sending from the last keyframe, or from the next one."""
        session.waiting = self._faults.stalled or self._faults.joins_late or not self._gop
        if not session.waiting:
            self._send(session, self._reports() + self._gop)

    def _respond(self, session: _Session, line: str, headers: dict[str, str]) -> _Response:
        """Return the status, headers and body of the response to a request."""
        method, url, _ = line.split(" ", 2)
        if not self.connections.allows(headers.get("authorization", "")):
            return _Response("401 Unauthorized", ['WWW-Authenticate: Basic realm="source"'])
        if method == "OPTIONS":
            return _Response("200 OK", [f"Public: {_METHODS}"])
        path = re.sub(r"^rtsps?://[^/]*", "", url).partition("?")[0].rstrip("/")
        if not re.fullmatch(r"/live(/track[01])?", path):
            return _Response("404 Not Found")
        if method == "DESCRIBE":
            base = f"Content-Base: {url.partition('?')[0].rstrip('/')}/"
            return _Response("200 OK", ["Content-Type: application/sdp", base], self._description)
        if method == "SETUP":
            return self._set_up(session, path, headers)
        if method == "PLAY":
            if not session.channels and not session.udp:
                return _Response("455 Method Not Valid in This State")
            session.playing = True
        elif method not in ("TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"):
            return _Response("501 Not Implemented")
        return _Response("200 OK", [f"Session: {session.id}"])

    def _set_up(self, session: _Session, path: str, headers: dict[str, str]) -> _Response:
        track = int(path[-1]) if path[-1].isdigit() else VIDEO
        if track not in self._tracks:
            return _Response("404 Not Found")
        transport = headers.get("transport", "")
        if found := re.search(r"interleaved=(\d{1,3})", transport):
            channel = int(found[1]) % 255
            session.channels[track] = channel
            response = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        elif "TCP" not in transport and (found := re.search(r"client_port=(\d{1,5})", transport)):
            own = _udp_pair(session.writer.get_extra_info("sockname")[0])
            client = session.writer.get_extra_info("peername")[0]
            session.udp[track] = _UdpTrack(*own, client, int(found[1]))
            port = own[0].getsockname()[1]
            response = f"RTP/AVP;unicast;client_port={found[1]}-{int(found[1]) + 1};server_port={port}-{port + 1}"
        else:
            return _Response("461 Unsupported Transport")
        return _Response("200 OK", [f"Transport: {response}", f"Session: {session.id};timeout=60"])


def _encode(response: _Response, cseq: str) -> bytes:
    lines = [f"RTSP/1.0 {response.status}", f"CSeq: {cseq}", *response.headers]
    if response.body:
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + response.body


async def _send_udp(session: _Session) -> None:
    while True:
        await session.wake.wait()
        session.wake.clear()
        while session.backlog:
            for _ in range(min(_UDP_BURST, len(session.backlog))):
                number, control, packet = session.backlog.popleft()
                if track := session.udp.get(number):
                    _send_datagram(track, control, packet)
            await asyncio.sleep(0.002)


def _send_datagram(track: _UdpTrack, control: bool, packet: bytes) -> None:
    sender = track.rtcp if control else track.rtp
    try:
        sender.sendto(packet, (track.client, track.port + control))
    except OSError:
        return  # lost like any datagram may be


def _udp_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Return sockets on an even port and on the next one.

    Raises:
        OSError: There is no free pair of ports.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        rtp, rtcp = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        try:
            rtp.bind((host, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                rtp.setblocking(False)
                rtcp.setblocking(False)
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()
    raise OSError("no free pair of UDP ports")
