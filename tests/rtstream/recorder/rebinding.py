"""A network of its own in which a name changes its address at every look-up; run by ``test_rebinding``.

Public and private servers stand next to each other. The recorder may connect to public addresses only. Prints what
happened as one JSON object.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from rtstream.forkserver import start_recorder
from rtstream.messages import RecorderHealth, RecorderSpec, decode
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source import open_source

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.5"
PORTS = (80, 554, 1935, 9000)
NAME = "flip.example"


def answer(query: bytes, address: str) -> bytes:
    """A DNS response with one address, valid for no time; none to a question for IPv6."""
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    known = question[-4:-2] == b"\x00\x01"
    head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(known), 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
    return head + question + (record if known else b"")


class Names:
    """A DNS server: each look-up returns the other of two addresses, or always the one that is set."""

    def __init__(self) -> None:
        self.looked_up = 0
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self.server.recvfrom(512)
            address = (PUBLIC, PRIVATE)[self.looked_up % 2]
            response = answer(query, address)
            self.looked_up += int(len(response) > len(query))
            self.server.sendto(response, client)


def serve(address: str, port: int, media: bytes, connections: Counter[str]) -> None:
    """Count connections; on port 80 send ``media`` over HTTP, and close, so that the recorder connects again."""
    server = socket.create_server((address, port))

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(3)
            try:
                connection.recv(65536)
                if port == 80:
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: {len(media)}\r\n\r\n"
                    connection.sendall(head.encode() + media)
            except OSError:
                pass

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            connections[f"{address}:{port}"] += 1
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main(folder: Path, media: Path) -> None:
    for command in (
        ["ip", "link", "set", "lo", "up"],
        *(["ip", "addr", "add", f"{address}/32", "dev", "lo"] for address in (PUBLIC, PRIVATE)),
    ):
        subprocess.run(command, check=True)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:2\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    Names()
    connections: Counter[str] = Counter()
    for address in (PUBLIC, PRIVATE):
        for port in PORTS:
            serve(address, port, media.read_bytes(), connections)
    first, second = (socket.getaddrinfo(NAME, 80, type=socket.SOCK_STREAM)[0][4][0] for _ in range(2))
    reasons: dict[str, list[str]] = {}
    for url in (f"http://{NAME}/a.ts", f"rtsp://{NAME}/live", f"rtmp://{NAME}/live/cam", f"tcp://{NAME}:9000"):
        for _ in range(4):
            spec = RecorderSpec("rts-test", url, ["video"], False, str(folder), 4.0, 1.0, 3.0)
            try:
                open_source(spec).close()
                reason = "open"
            except SourceFailed as failed:
                reason = failed.reason
            reasons.setdefault(url.split(":")[0], []).append(reason)
    spec = RecorderSpec("rts-test", f"http://{NAME}/a.ts", ["video"], False, str(folder), 4.0, 1.0, 3.0, 0.2)
    process, connection = start_recorder(spec)
    health, deadline = [], time.monotonic() + 25
    while len([each for each in health if PRIVATE in each]) < 3 and time.monotonic() < deadline:
        if connection.poll(1):
            message = decode(connection.recv_bytes())
            if isinstance(message, RecorderHealth):
                health.append(message.reason or message.state)
    process.kill()
    process.join(5)
    print(json.dumps({"flips": first != second, "connections": connections, "reasons": reasons, "health": health}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
