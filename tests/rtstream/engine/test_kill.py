"""An engine process that is really killed between any two steps of an alert loses nothing and doubles nothing."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from rtstream.store.database import Database
from rtstream.store.tables import alerts, decisions, deliveries, journal, scenes

pytestmark = pytest.mark.anyio

ALERTS = 3
ENGINE = """
import sys, time
from pathlib import Path
import anyio
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlert, CreateEvent
from rtstream.store import indexes, streams

folder, url, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

async def prepare(engine):
    now = time.time()
    stream = dict(id="rts-1", name="s", url="u", collection_id="default", created_at=now, media_types=["video"],
                  sample_rate=30.0, store=True, enable_transcript=False, desired="stopped", health={"state": "stopped"})
    index = dict(id="idx", stream_id="rts-1", name="x", extraction_type="time", extraction_config={}, prompt="p",
                 model_name=None, model_config={}, status="stopped", counters={}, created_at=now)
    await engine.db.write(lambda conn: (streams.insert(conn, **stream), indexes.insert(conn, **index)))
    event = await engine.alerts.create_event(CreateEvent(event_prompt='"OPEN" is there', label="open"))
    for number in range(int(sys.argv[4])):
        await engine.alerts.create_alert("rts-1", "idx", CreateAlert(
            event_id=event.event_id, callback_url=f"{url}/{number}", dedupe=False))

async def main():
    config = EngineConfig(
        data_dir=folder, local_vision=False, embedding_model="none", webhook_allow_networks="loopback"
    )
    async with Engine(config) as engine:
        if not await engine.alerts.list_events():
            await prepare(engine)
        number = await engine.db.read(indexes.last_scene_id, "idx")
        print("ready", flush=True)
        while number < most:
            scene = dict(index_id="idx", stream_id="rts-1", start=float(number), end=number + 1.0, text="OPEN",
                         status="ok", model="local", data=None, created_at=time.time(),
                         detail={"lines": ["OPEN"], "changes": {"text_read": True}})
            number = await engine.db.write(lambda conn: indexes.add_scene(conn, **scene))
            engine.evaluator.scene_stored("idx")
            await anyio.sleep(0.01)
        await anyio.sleep_forever()

anyio.run(main)
"""


class Receiver(ThreadingHTTPServer):
    """Keeps (path, webhook-id, body) of what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        self.arrived = threading.Condition()


class Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.arrived:
            self.server.got.append((self.path, self.headers["webhook-id"], body))
            self.server.arrived.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run_engine(folder: Path, url: str, scenes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENGINE, str(folder), url, str(scenes), str(ALERTS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


async def test_a_killed_engine_loses_no_alert_and_no_webhook(tmp_path: Path, receiver: Receiver) -> None:
    wanted, chance = 60, random.Random(4711)
    url = f"http://127.0.0.1:{receiver.server_port}"

    def kill_again_and_again() -> None:
        for _ in range(4):
            process = run_engine(tmp_path, url, wanted)
            time.sleep(chance.uniform(0.02, 0.4))  # any moment, even between match and delivery
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()

    def finish() -> None:
        with run_engine(tmp_path, url, wanted) as process:
            with receiver.arrived:
                done = lambda: len({key for _, key, _ in receiver.got}) >= wanted * ALERTS  # noqa: E731
                came = receiver.arrived.wait_for(done, timeout=30)
            process.kill()
        assert came

    with anyio.fail_after(90):
        await anyio.to_thread.run_sync(kill_again_and_again)
        await anyio.to_thread.run_sync(finish)

    db = Database.below(tmp_path)
    read = lambda query: db.read(lambda conn: conn.execute(query).all())  # noqa: E731
    stored = [row.id for row in await read(select(scenes.c.id))]
    fired = await read(select(journal).where(journal.c.channel == "alert").order_by(journal.c.seq))
    logged = await read(select(decisions.c.alert_id, decisions.c.scene_id, decisions.c.outcome))
    sent = {row.seq for row in await read(select(deliveries.c.seq))}
    counted = [row.fired for row in await read(select(alerts.c.fired))]
    await db.aclose()

    assert len(stored) == wanted
    for alert_id in {row.alert_id for row in fired}:
        assert [row.data["scene_id"] for row in fired if row.alert_id == alert_id] == stored
    assert sorted(logged) == sorted((row.alert_id, row.data["scene_id"], "fired") for row in fired)
    assert sent == {row.seq for row in fired}
    assert counted == [wanted] * ALERTS
    for number in range(ALERTS):
        own = [body["seq"] for path, _, body in receiver.got if path == f"/{number}"]
        assert list(dict.fromkeys(own)) == sorted(set(own))  # seen for the first time in order
    assert {body["seq"] for _, _, body in receiver.got} == sent
