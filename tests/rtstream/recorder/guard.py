"""A login for test servers: checks Basic and Digest credentials by RFC 7616, written apart from the recorder's own."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

USER, PASSWORD = "us ér", 'p:"w\\ä'
REALM = 'the "back" door, left'
HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@dataclass
class Guard:
    """Wants one of ``schemes``: ``Basic``, or the algorithm of a Digest. A nonce is good for ``lasts`` requests."""

    schemes: tuple[str, ...]
    qop: str = "auth"
    lasts: int = 1000
    together: bool = False
    says_stale: bool = True
    realm: str = REALM
    user: str = USER
    password: str = PASSWORD
    taken: list[str] = field(default_factory=list)
    """Scheme of each request that was let in."""
    methods: list[str] = field(default_factory=list)
    refused: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    """Set once a TEARDOWN was let in."""
    _nonce: str = "n0"
    _counts: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def challenges(self, method: str, uri: str, authorization: str, body: bytes = b"") -> list[str] | None:
        """The WWW-Authenticate headers of a refusal, or None for a request that is let in."""
        verdict, scheme = self._judge(method, uri, authorization, body)
        if verdict == "right":
            self.taken.append(scheme)
            self.methods.append(method)
            if method == "TEARDOWN":
                self.ended.set()
            return None
        self.refused += 1
        self._nonce, self._counts = f"n{next(self._numbers)}", set()
        lines = [self._line(each, verdict == "stale") for each in self.schemes]
        return [", ".join(lines)] if self.together else lines

    def _line(self, scheme: str, stale: bool) -> str:
        realm = re.sub(r'(["\\])', r"\\\1", self.realm)
        if scheme in ("Basic", "Bearer"):
            return f'{scheme} realm="{realm}"'
        line = f'Digest realm="{realm}", nonce="{self._nonce}", opaque="o,=", algorithm={scheme}'
        line += f', qop="{self.qop}"' if self.qop else ""
        return line + (", stale=true" if stale and self.says_stale else "")

    def _judge(self, method: str, uri: str, authorization: str, body: bytes) -> tuple[str, str]:
        scheme, _, rest = authorization.partition(" ")
        if scheme == "Basic" and "Basic" in self.schemes:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return ("right" if rest == pair else "wrong"), "Basic"
        fields = {
            name: re.sub(r"\\(.)", r"\1", quoted) or bare
            for name, quoted, bare in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', rest)
        }
        algorithm = fields.get("algorithm", "MD5")
        if scheme != "Digest" or algorithm not in self.schemes:
            return "wrong", ""

        def hashed(*parts: str) -> str:
            return hashlib.new(HASHES[algorithm.removesuffix("-sess")], ":".join(parts).encode()).hexdigest()

        secret = hashed(self.user, self.realm, self.password)
        if algorithm.endswith("-sess"):
            secret = hashed(secret, fields["nonce"], fields["cnonce"])
        parts = [method, uri]
        middle = [fields["nonce"]]
        if self.qop:
            middle += [fields["nc"], fields["cnonce"], fields["qop"]]
            if fields["qop"] not in self.qop:
                return "wrong", algorithm
            if fields["qop"] == "auth-int":
                parts.append(hashed(body.decode()))
        right = fields.get("response") == hashed(secret, *middle, hashed(*parts))
        if not right or (fields["username"], fields["uri"]) != (self.user, uri) or fields.get("opaque") != "o,=":
            return "wrong", algorithm
        key = fields.get("nc") or str(len(self._counts))
        if fields["nonce"] != self._nonce or key in self._counts or len(self._counts) >= self.lasts:
            return "stale", algorithm
        self._counts.add(key)
        return "right", algorithm


@contextmanager
def guarded_rtsp(guard: Guard, server: str) -> Iterator[str]:
    """A door with a guard in front of an RTSP server. Yields its URL, with the credentials."""
    from urllib.parse import quote, urlsplit

    there = urlsplit(server)
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = [listener]

    def back(inside: socket.socket, outside: socket.socket) -> None:
        with suppress(OSError):
            while data := inside.recv(65536):
                outside.sendall(data)

    def talk(outside: socket.socket) -> None:
        inside = socket.create_connection((there.hostname or "", there.port or 0))
        sockets.extend((outside, inside))
        threading.Thread(target=back, args=(inside, outside), daemon=True).start()
        with suppress(OSError), outside.makefile("rb") as stream:
            while first := stream.read(1):
                if first == b"$":
                    head = stream.read(3)
                    inside.sendall(first + head + stream.read(int.from_bytes(head[1:], "big")))
                    continue
                lines = [(first + stream.readline()).decode().strip()]
                while line := stream.readline().decode().strip():
                    lines.append(line)
                headers = {
                    name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines[1:])
                }
                method, uri, _ = lines[0].split(" ")
                wanted = guard.challenges(method, uri, headers.get("authorization", ""))
                if wanted is None:
                    kept = [each for each in lines if not each.lower().startswith("authorization")]
                    kept[0] = kept[0].replace(f":{listener.getsockname()[1]}/", f":{there.port}/")
                    inside.sendall(("\r\n".join(kept) + "\r\n\r\n").encode())
                else:
                    refusal = [f"WWW-Authenticate: {each}" for each in wanted]
                    answer = ["RTSP/1.0 401 Unauthorized", f"CSeq: {headers['cseq']}", *refusal, "", ""]
                    outside.sendall("\r\n".join(answer).encode())
        inside.close()
        outside.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    login = f"{quote(guard.user, safe='')}:{quote(guard.password, safe='')}@"
    try:
        yield f"rtsp://{login}127.0.0.1:{listener.getsockname()[1]}{there.path}"
    finally:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        accepting.join(5)
