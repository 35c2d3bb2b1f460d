"""Search: how good (a labelled set) and how fast (10 k, 100 k and, with --million, 1 M scenes).

    python -m benchmarks.search [--quality] [--speed] [--million] [--peers]

Speed runs use made-up scenes with words drawn by Zipf's law and clustered random vectors. The built-in model (extra
``local``) embeds the queries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from sqlalchemy import Connection, text

from benchmarks import _options, search_peers
from rtstream.engine.journal import Journal
from rtstream.engine.search import SearchService
from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.providers import LocalEmbeddings
from rtstream.rules.query import parse
from rtstream.store import indexes as index_rows
from rtstream.store import search as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.documents import sign_bits

LABELLED = Path(__file__).parent / "data" / "search_labelled.json"
STREAMS = 20
WINDOW_S = 2.0
CLUSTERS = 500
QUERIES = 200
CONCURRENT = 10
PAUSE_S = 1.0
"""Seconds between two searches of a user who reads the hits."""


def built_in() -> LocalEmbeddings:
    """The model that is used by default."""
    with tempfile.TemporaryDirectory() as folder:
        files = weights.find(Path(folder))
    assert files is not None, "the extra 'local' is not installed"
    return LocalEmbeddings(files)


def add_streams(conn: Connection, count: int) -> None:
    """Streams ``s0``.. with one visual index ``i0``.. each."""
    stream_rows.ensure_default_collection(conn, 0.0)
    for number in range(count):
        stream_rows.insert(
            conn,
            id=f"s{number}",
            name=f"stream {number}",
            url="x",
            collection_id="default",
            created_at=0.0,
            media_types=["video"],
            sample_rate=30,
            store=False,
            enable_transcript=False,
            desired="stopped",
            health={},
        )
        index_rows.insert(
            conn,
            id=f"i{number}",
            stream_id=f"s{number}",
            extraction_type="time",
            extraction_config={},
            model_config={},
            status="running",
            counters={},
            created_at=0.0,
        )


def add_scenes(conn: Connection, first: int, texts: Sequence[str]) -> None:
    """Scenes in turn on each stream."""
    values = [
        (f"i{n % STREAMS}", f"s{n % STREAMS}", n // STREAMS * WINDOW_S, (n // STREAMS + 1) * WINDOW_S, value)
        for n, value in enumerate(texts, first)
    ]
    conn.connection.cursor().executemany(
        'INSERT INTO scenes(index_id, stream_id, start, "end", text, status, model, detail, created_at) '
        "VALUES (?, ?, ?, ?, ?, 'ok', 'x', '{}', 0)",
        values,
    )


async def settled(search: SearchService) -> None:
    """All that is stored is searchable."""
    while True:
        progress = await search.progress()
        if progress.documents and not progress.unread and not progress.without_vector:
            return
        await anyio.sleep(0.05)


# how good


async def quality() -> dict[str, Any]:
    """Recall@1, recall@5 and MRR of words only, vectors only, and both."""
    labelled = json.loads(LABELLED.read_text())
    names = [name for name, _ in labelled["scenes"]]
    with tempfile.TemporaryDirectory() as folder:
        db = Database.below(Path(folder))
        model = built_in()
        await db.write(add_streams, STREAMS)
        # Far apart in time, so that nothing is joined.
        await db.write(add_scenes, 0, [value for _, value in labelled["scenes"]])
        found: dict[str, list[list[str]]] = {}
        tops: dict[str, list[float]] = {"right": [], "none": []}
        kept = {"right": 0, "none": 0}
        async with anyio.create_task_group() as tasks:
            words, fused = SearchService(db, Journal(db)), SearchService(db, Journal(db), model)
            words.start(tasks)
            await settled(words)
            fused.start(tasks)
            await settled(fused)
            vectors = await model.embed([value for _, value in labelled["scenes"]])
            for asked in labelled["queries"]:
                for by, search in (("words", words), ("fused", fused)):
                    result = await search.search(asked["query"], limit=60, score_threshold=0.0)
                    found.setdefault(by, []).append([names[hit.ref - 1] for hit in result.hits])
                cosines = vectors @ (await model.embed([parse(asked["query"]).text]))[0]
                found.setdefault("vectors", []).append([names[row] for row in np.argsort(-cosines)])
                group = "right" if asked["answers"] else "none"
                default = await fused.search(asked["query"])
                shown = [names[hit.ref - 1] for hit in default.hits]
                kept[group] += any(name in asked["answers"] for name in shown) if asked["answers"] else not shown
                tops[group].append(max(cosines[names.index(a)] for a in asked["answers"] or names))
            tasks.cancel_scope.cancel()
        await db.aclose()
    report: dict[str, Any] = {}
    for kind in ("paraphrase", "identifier"):
        for by, lists in found.items():
            ranks = [
                min((hits.index(name) + 1 for name in asked["answers"] if name in hits), default=0)
                for asked, hits in zip(labelled["queries"], lists, strict=True)
                if asked["kind"] == kind
            ]
            report[f"{kind}, {by}"] = {
                "recall@1": round(sum(rank == 1 for rank in ranks) / len(ranks), 2),
                "recall@5": round(sum(0 < rank <= 5 for rank in ranks) / len(ranks), 2),
                "MRR": round(sum(1 / rank for rank in ranks if rank) / len(ranks), 2),
                "queries": len(ranks),
            }
    report["by default, right answers kept"] = f"{kept['right']} of {len(tops['right'])}"
    report["by default, queries without an answer that show nothing"] = f"{kept['none']} of {len(tops['none'])}"
    report["cosine of right answers, lowest to highest"] = f"{min(tops['right']):.2f} to {max(tops['right']):.2f}"
    report["best cosine without an answer"] = f"{min(tops['none']):.2f} to {max(tops['none']):.2f}"
    return report


# how fast


class MadeUp:
    """Scenes of English words by Zipf's law, whose vectors lie in clusters; queries of such words.

    The words are those of the model's own vocabulary: made-up ones would fall into many pieces and be slow to embed.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        vocabulary = weights.VOCABULARY.read_text(encoding="utf-8").split()
        self._words = np.array([word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 3])
        self._random.shuffle(self._words)
        chance = 1 / np.arange(2, len(self._words) + 2)
        self._chance = np.cumsum(chance / chance.sum())
        self._centres = self._random.standard_normal((CLUSTERS, 384)).astype(np.float32)

    def _draw(self, shape: tuple[int, int]) -> Any:
        at = np.searchsorted(self._chance, self._random.random(shape))
        return self._words[np.minimum(at, len(self._words) - 1)]

    def texts(self, count: int) -> list[str]:
        """Scenes of 18 words."""
        return [" ".join(row) for row in self._draw((count, 18))]

    def vectors(self, count: int) -> Any:
        """float32 [count, 384], unit length."""
        vectors = self._centres[self._random.integers(0, CLUSTERS, count)]
        vectors += 0.8 * self._random.standard_normal(vectors.shape).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def queries(self, count: int) -> list[str]:
        """Four words, common and rare ones mixed."""
        return [" ".join(row) for row in self._draw((count, 4))]


async def speed(count: int, queries: int, *, peers: bool = False) -> dict[str, Any]:
    """Ingestion, sizes, and latencies of ``count`` scenes."""
    made = MadeUp()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        db = Database.below(Path(folder))
        await db.write(add_streams, STREAMS)
        for first in range(0, count, 20_000):
            await db.write(add_scenes, first, made.texts(min(20_000, count - first)))
        scenes_size = await size(db)
        model = built_in()
        await model.embed(["warm up"])
        words_s = await ingest(db)
        words_size = await size(db)
        number = await db.write(rows.model_id, weights.NAME)
        began = time.perf_counter()
        for first in range(0, count, 10_000):
            ids = list(range(first + 1, min(first + 10_000, count) + 1))
            await db.write(rows.set_vectors, number, ids, made.vectors(len(ids)))
        vectors_s = time.perf_counter() - began
        async with anyio.create_task_group() as tasks:
            search = SearchService(db, Journal(db), model)
            began = time.perf_counter()
            search.start(tasks)
            await search.search("ready", limit=1)
            load_s = time.perf_counter() - began
            assert not (await search.progress()).without_vector
            report |= {
                "scenes": count,
                "ingestion, words (scenes/s)": round(count / words_s),
                "ingestion, storing vectors (scenes/s)": round(count / vectors_s),
                "scenes table (MB)": round(scenes_size / 1e6),
                "word index and documents (MB)": round((words_size - scenes_size) / 1e6),
                "vectors (MB)": round((await size(db) - words_size) / 1e6),
                "memory (MB)": round(count * (33 + 48) / 1e6),
                "load at start (s)": round(load_s, 2),
                "alone": await latencies(search, made.queries(queries), 1),
                f"{CONCURRENT} at once": await latencies(search, made.queries(queries), CONCURRENT),
                f"{CONCURRENT} users, a search a second each": await latencies(
                    search, made.queries(queries), CONCURRENT, pause_s=PAUSE_S
                ),
                "alone, one stream and a tenth of the time": await latencies(
                    search,
                    made.queries(queries),
                    1,
                    streams=["s3"],
                    start=0.5 * count / STREAMS * WINDOW_S,
                    end=0.6 * count / STREAMS * WINDOW_S,
                ),
            }
            if count <= 100_000:
                report["recall@10 of sign bits"] = await recall(search, made, db, number, count)
            tasks.cancel_scope.cancel()
        await model.aclose()
        await db.aclose()
    if peers:
        made = MadeUp()
        texts, vectors = made.texts(count), made.vectors(count)
        report["others"] = search_peers.compare(texts, vectors, made.queries(queries), CONCURRENT)
    return report


async def ingest(db: Database) -> float:
    """Enter all scenes into the word index. Returns the time in seconds."""
    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        words = SearchService(db, Journal(db))
        words.start(tasks)
        while (await words.progress()).unread:
            await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    return time.perf_counter() - began


async def size(db: Database) -> int:
    """Bytes of the database with everything in it."""

    def pages(conn: Connection) -> int:
        return (
            conn.execute(text("PRAGMA page_count")).scalar_one() * conn.execute(text("PRAGMA page_size")).scalar_one()
        )

    return await db.read(pages)


async def latencies(
    search: SearchService, queries: Sequence[str], at_once: int, pause_s: float = 0.0, **filters: Any
) -> str:
    """p50 and p95 in milliseconds, and processor time a search (all threads); the query's embedding is included.

    Each of the users pauses ``pause_s`` on average before a search, by chance longer or shorter.
    """
    taken: list[float] = []
    waiting = list(queries)
    chance = random.Random(0)

    async def ask() -> None:
        while waiting:
            query = waiting.pop()
            if pause_s:
                await anyio.sleep(chance.expovariate(1 / pause_s))
            began = time.perf_counter()
            await search.search(query, score_threshold=0.0, **filters)
            taken.append((time.perf_counter() - began) * 1e3)

    used = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(ask)
    return summary(taken, time.process_time() - used)


def summary(taken: Sequence[float], used: float) -> str:
    """Of latencies in milliseconds, and of the processor seconds all of them took."""
    p95 = statistics.quantiles(taken, n=20)[18]
    return f"p50 {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms, processor {used / len(taken) * 1e3:.1f} ms"


async def recall(search: SearchService, made: MadeUp, db: Database, model: int, count: int) -> float:
    """Share of the 10 truly nearest vectors among the candidates of the coarse pass."""
    from rtstream.engine.search.ranking import CANDIDATES

    view = search._documents.view()  # the benchmark looks inside
    _, stored = await db.read(rows.vectors, range(1, count + 1), model, 384)
    matrix = stored.astype(np.float32)
    shares: list[float] = []
    for query in made.vectors(30):
        truly = set((np.argpartition(-(matrix @ query), 10)[:10]).tolist())
        distances = view.distances(sign_bits(query[None])[0], view.allowed(None, None, None))
        coarse = min(CANDIDATES[0], count - 1)
        near = set(np.argpartition(distances, coarse)[:coarse].tolist())
        shares.append(len(truly & near) / 10)
    return round(sum(shares) / len(shares), 3)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--queries", type=int, default=QUERIES, help="different queries of each measurement")
    parser.add_argument("--peers", action="store_true", help="side by side with other search engines")
    given = _options.parse(parser, quality=True, peers=True, queries=20)
    run(given)


def run(given: argparse.Namespace) -> None:
    """Run the chosen measurements and print them."""
    if given.quality:
        print(json.dumps(asyncio.run(quality()), indent=2))
    sizes = [200] if given.tiny else [10_000, 100_000] if given.speed else []
    for count in sizes + ([1_000_000] if given.million else []):
        print(json.dumps(asyncio.run(speed(count, given.queries, peers=given.peers)), indent=2))


if __name__ == "__main__":
    main()
