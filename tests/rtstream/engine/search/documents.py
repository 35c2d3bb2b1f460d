"""Data for tests of search: streams with results, and a server of embeddings."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import numpy as np
from sqlalchemy import Connection

from rtstream.engine.journal import Journal
from rtstream.engine.search.service import SearchResult, SearchService
from rtstream.perception.embeddings.providers import ServerEmbeddings
from rtstream.store import alerts as alert_rows
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.tables import decisions, transcript_segments

SYNONYMS = {
    "canine": "dog",
    "hound": "dog",
    "automobile": "car",
    "vehicle": "car",
    "money": "budget",
    "costs": "budget",
}


class EmbeddingsServer:
    """Speaks the OpenAI embeddings call: a text is the sum of its words, synonyms are one word."""

    def __init__(self) -> None:
        self.refuse: Callable[[list[str]], int] = lambda texts: 200
        self.texts: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = server.refuse(body["input"])
                server.texts += body["input"] if status == 200 else []
                data = [
                    {"index": n, "embedding": server.vector(value, body["model"])}
                    for n, value in enumerate(body["input"])
                ]
                answer = json.dumps({"data": data[::-1]}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    @staticmethod
    def vector(value: str, model: str) -> list[float]:
        total = np.full(256, 1e-3)
        for word in re.findall(r"\w+", value.lower()):
            seed = zlib.crc32(f"{model} {SYNONYMS.get(word, word)}".encode())
            total += np.random.default_rng(seed).standard_normal(256)
        return total.tolist()

    def provider(self, model: str = "one") -> ServerEmbeddings:
        return ServerEmbeddings(f"test:{model}", model, self.url)

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def add_stream(conn: Connection, stream_id: str, *indexes: str) -> None:
    stream_rows.insert(
        conn,
        id=stream_id,
        name=f"name of {stream_id}",
        url="rtsp://x",
        collection_id="default",
        created_at=0.0,
        media_types=["video"],
        sample_rate=30,
        store=False,
        enable_transcript=False,
        desired="stopped",
        health={},
    )
    for index_id in indexes:
        index_rows.insert(
            conn,
            id=index_id,
            stream_id=stream_id,
            name=f"name of {index_id}",
            extraction_type="transcript" if "audio" in index_id else "time",
            extraction_config={},
            model_config={},
            status="stopped",
            counters={},
            created_at=0.0,
        )


def add_scenes(
    conn: Connection, stream_id: str, index_id: str, *texts: str, start: float = 1000.0, **more: Any
) -> None:
    values = {"status": "ok", "model": "local", "data": None, "detail": {}, "created_at": 0.0, **more}
    for number, value in enumerate(texts):
        at = start + number * 2
        index_rows.add_scene(conn, stream_id=stream_id, index_id=index_id, start=at, end=at + 2, text=value, **values)


def add_transcript(conn: Connection, stream_id: str, value: str, start: float, kind: str = "speech") -> None:
    conn.execute(
        transcript_segments.insert().values(
            stream_id=stream_id,
            engine="local",
            start=start,
            end=start + 3,
            text=value,
            kind=kind,
            detail={},
            created_at=0.0,
        )
    )


def add_alert(conn: Connection, index_id: str) -> int:
    scene = index_rows.last_scene_id(conn, index_id)
    alert_rows.insert_event(conn, id="event-1", prompt="p", label="parcel-seen", created_at=0.0)
    alert_rows.insert_alert(
        conn,
        id="alert-1",
        stream_id=index_rows.get(conn, index_id).stream_id,
        index_id=index_id,
        event_id="event-1",
        status="enabled",
        options={},
        created_at=0.0,
    )
    seq = journal_rows.append(conn, Entry("alert", {}))
    decision = {"alert_id": "alert-1", "scene_id": scene, "at": 7000.0}
    for more in (
        {"outcome": "no_match", "explanation": "no courier here"},
        {"outcome": "fired", "explanation": "a courier rang the bell", "seq": seq},
        {"outcome": "fired", "explanation": "a silence, without a scene", "seq": seq + 1, "scene_id": 0},
    ):
        conn.execute(decisions.insert().values(**decision | more))
    return seq


@asynccontextmanager
async def searching(db: Database, provider: ServerEmbeddings | None = None) -> AsyncIterator[SearchService]:
    search = SearchService(db, Journal(db), provider)
    try:
        async with anyio.create_task_group() as tasks:
            search.start(tasks)
            yield search
            tasks.cancel_scope.cancel()
    finally:
        if provider is not None:
            await provider.aclose()


async def settled(search: SearchService) -> None:
    """Everything stored is searchable, with its vector if there is a model."""
    with anyio.fail_after(10):
        await search.caught_up(by_meaning=True)


def found(result: SearchResult) -> list[str]:
    return [hit.text for hit in result.hits]
