"""A network of its own whose name server is silent at first; run by ``test_service``.

Prints the states of the streams of an engine that starts there as one JSON object.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio

from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream, Stream
from rtstream.testsource import LiveSource
from server.settings import Settings
from tests.rtstream.recorder.rebinding import answer
from tests.waiting import eventually

STREAMS = 4
HOST = "camera.example"


class Names:
    """A name server that ignores queries until it ``speaks``."""

    def __init__(self) -> None:
        self.speaks = threading.Event()
        self.asked = 0
        self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self._server.recvfrom(512)
            self.asked += 1
            if self.speaks.is_set():
                self._server.sendto(answer(query, "127.0.0.1"), client)


def settings(folder: Path) -> Settings:
    given: dict[str, Any] = {"data_dir": folder, "local_vision": False, "allow_networks": "loopback"}
    return Settings(**given, reconnect_max_s=0.5, api_key="sk-a-key-of-the-tests-of-names")


async def states(engine: Engine, ids: list[str]) -> list[tuple[str, str, int]]:
    found: list[Stream] = [await engine.streams.get(one) for one in ids]
    return [(stream.health.state, stream.health.reason, stream.health.attempts) for stream in found]


async def run(folder: Path, url: str, names: Names) -> dict[str, Any]:
    names.speaks.set()
    async with Engine(settings(folder)) as engine:
        ids = [(await engine.connect_stream(ConnectStream(url=url, store=True))).id for _ in range(STREAMS)]
    names.speaks.clear()
    asked, began = names.asked, time.monotonic()
    async with Engine(settings(folder)) as engine:
        started_s = time.monotonic() - began

        async def all_failed(times: int) -> bool:
            found = await states(engine, ids)
            return all(state == "reconnecting" and attempts >= times for state, _, attempts in found)

        await eventually(lambda: all_failed(2), limit_s=60, what="two failed attempts of each stream")
        without = await states(engine, ids)
        began = time.monotonic()
        try:
            await engine.connect_stream(ConnectStream(url=url, store=True))
            refusal = ""
        except InvalidRequest as exc:
            refusal = exc.message
        refused_s = time.monotonic() - began
        silent = names.asked - asked
        names.speaks.set()

        async def all_connected() -> bool:
            return {state for state, _, _ in await states(engine, ids)} == {"connected"}

        await eventually(all_connected, limit_s=60, what="every stream")
    return {
        "started_s": started_s,
        "without": without,
        "refusal": refusal,
        "refused_s": refused_s,
        "asked": silent,
    }


def main(folder: Path, clip: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    names = Names()
    with LiveSource(clip) as source:
        url = source.http_url.replace("127.0.0.1", HOST)
        print(json.dumps(anyio.run(run, folder / "data", url, names)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
