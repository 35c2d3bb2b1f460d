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
from dataclasses import replace
from pathlib import Path

from rtstream.forkserver import start_recorder
from rtstream.messages import RecorderHealth, RecorderSpec, decode
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source import open_source

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.5"
NAME = "flip.example"
SOURCES = {  # by the port that the recorder connects to
    80: f"http://{NAME}/a.ts",
    443: f"https://{NAME}/a.ts",
    554: f"rtsp://{NAME}/live",
    322: f"rtsps://{NAME}/live",
    1935: f"rtmp://{NAME}/live/cam",
    9443: f"rtmps://{NAME}:9443/live/cam",
    9000: f"tcp://{NAME}:9000",
}
SRT, UDP = 9001, 9002
DATAGRAMS = {SRT: f"srt://{NAME}:{SRT}", UDP: f"udp://{NAME}:{UDP}"}
LISTENS = f"tcp://{NAME}:9003?listen=1&listen_timeout=300"


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


def count_datagrams(address: str, port: int, connections: Counter[str]) -> None:
    """Count the datagrams that arrive, such as the handshakes of SRT."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))

    def receive() -> None:
        while True:
            server.recv(2048)
            connections[f"{address}:{port}"] += 1

    threading.Thread(target=receive, daemon=True).start()


def watch_listeners(ports: tuple[int, ...], connections: Counter[str]) -> None:
    """Count the moments at which a socket of this namespace is bound to one of these ports."""

    tick = threading.Event()

    def look() -> None:
        while True:
            for table in ("udp", "tcp"):
                for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                    local, state = line.split()[1], line.split()[3]
                    host, _, port = local.partition(":")
                    if int(port, 16) in ports and (table == "udp" or state == "0A"):
                        address = socket.inet_ntoa(bytes.fromhex(host)[::-1])
                        connections[f"{address}:{int(port, 16)}"] += 1
            tick.wait(0.02)

    threading.Thread(target=look, daemon=True).start()


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
        for port in SOURCES:
            serve(address, port, media.read_bytes(), connections)
        count_datagrams(address, SRT, connections)
    watch_listeners((UDP, 9003), connections)
    first, second = (socket.getaddrinfo(NAME, 80, type=socket.SOCK_STREAM)[0][4][0] for _ in range(2))
    reasons: dict[str, list[str]] = {}
    for url in (*SOURCES.values(), *DATAGRAMS.values(), LISTENS):
        for _ in range(4):
            settings = RecorderSpec("rts-test", url, ["video"], False, str(folder), 4.0, 1.0, 3.0)
            spec = replace(settings, listen_ports=f"{UDP},9003")
            try:
                open_source(spec).close()
                reason = "open"
            except SourceFailed as failed:
                reason = failed.reason
            reasons.setdefault(url.split("?")[0], []).append(reason)
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
