"""An ONVIF camera on loopback: it responds to probes, and describes two streams after a login."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from rtstream.camera import probe

USER, PASSWORD = "admin", "pässwörd,1"
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Body>{}</s:Body></s:Envelope>'
)
FAULT = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>{}</s:Text></s:Reason></s:Fault>"
PROFILE = (
    '<trt:Profiles token="{token}"><tt:Name>{name}</tt:Name><tt:VideoEncoderConfiguration token="v">'
    "<tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
    "</tt:Resolution><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit></tt:RateControl>"
    "</tt:VideoEncoderConfiguration></trt:Profiles>"
)
SMALL_FIRST = (("sub", "Sub", "H264", 640, 360), ("main", "Main", "H265", 2560, 1440))


class OnvifCamera:
    """A context manager. Its probe port is that of ``probe.PORT``, which a test sets to a free one.

    Attributes:
        urls: URL of the stream of each profile.
        reply: Returns the body of the response to an operation, or None for the usual one.
        operations: Operations that were requested.
        before: Datagram that is sent before each response to a probe; none by default.
        xaddr: URL of the device service that it states, ``{port}`` for the port of its HTTP server.
    """

    def __init__(self, *, login: bool = True, rtsp_port: int = 554) -> None:
        self.urls = {token: f"rtsp://10.9.9.9:{rtsp_port}/{token}" for token in ("main", "sub")}
        self.reply: Callable[[str], str | None] = lambda operation: None
        self.operations: list[str] = []
        self.before: bytes | None = None
        self.xaddr = "http://10.9.9.9:{port}/onvif/device_service"
        self._login = login
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._udp.bind(("", probe.PORT))
        joined = struct.pack("=4s4s", socket.inet_aton(probe.GROUP), socket.inet_aton("127.0.0.1"))
        self._udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        self._replies = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._replies.bind(("127.0.0.1", 0))
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, body = camera._answer(request)
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._listen, self._http.serve_forever)
        ]

    def __enter__(self) -> OnvifCamera:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"end", ("127.0.0.1", self._udp.getsockname()[1]))
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._replies.close()

    def _listen(self) -> None:
        while True:
            data, sender = self._udp.recvfrom(65535)
            if data == b"end":
                return
            match = (
                "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address>"
                "</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>"
                "onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/IPC-1</d:Scopes>"
                f"<d:XAddrs>{self.xaddr.format(port=self.port)}</d:XAddrs></d:ProbeMatch></d:ProbeMatches>"
            )
            if self.before is not None:
                self._replies.sendto(self.before, sender)
            self._replies.sendto(ENVELOPE.format(match).encode(), sender)

    def _answer(self, request: str) -> tuple[int, str]:
        found = re.search(r"<s:Body><\w+:(\w+)", request)
        operation = found[1] if found else ""
        self.operations.append(operation)
        if (own := self.reply(operation)) is not None:
            return 200, own
        service = f"http://10.9.9.9:{self.port}/onvif/media"
        if operation == "GetServices":
            return 500, ENVELOPE.format(FAULT.format("Action not supported"))
        if operation == "GetCapabilities":
            media = f"<tt:Media><tt:XAddr>{service}</tt:XAddr></tt:Media>"
            return 200, self._told(operation, f"<tds:Capabilities>{media}</tds:Capabilities>")
        if self._login and not _is_authorised(request):
            return 400, ENVELOPE.format(FAULT.format("Sender not Authorized"))
        if operation == "GetProfiles":
            names = ("token", "name", "codec", "width", "height")
            profiles = [PROFILE.format(**dict(zip(names, each, strict=True))) for each in SMALL_FIRST]
            return 200, self._told(operation, "".join(profiles))
        if operation == "GetStreamUri":
            token = re.search(r"ProfileToken>([^<]*)<", request)
            url = self.urls[token[1] if token else ""].replace("&", "&amp;")
            return 200, self._told(operation, f"<trt:MediaUri><tt:Uri>{url}</tt:Uri></trt:MediaUri>")
        return 500, ENVELOPE.format(FAULT.format("Action not supported"))

    def _told(self, operation: str, body: str) -> str:
        return ENVELOPE.format(f"<trt:{operation}Response>{body}</trt:{operation}Response>")


def _is_authorised(request: str) -> bool:
    """Whether a request has the digest of the password."""
    parts = [re.search(rf"<wss?[eu]:{name}[^>]*>([^<]*)<", request) for name in ("Password", "Nonce", "Created")]
    if None in parts:
        return False
    digest, nonce, created = (part[1] for part in parts if part)
    expected = hashlib.sha1(base64.b64decode(nonce) + created.encode() + PASSWORD.encode()).digest()
    return base64.b64encode(expected).decode() == digest
