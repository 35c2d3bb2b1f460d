"""Opens the database and runs queries off the event loop.

Queries are functions that take a SQLAlchemy connection (see the other modules of this package). A single thread writes,
so that writes never wait for each other's locks, and a few threads read.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from rtstream import disk
from rtstream.concurrency import Broadcast
from rtstream.errors import Conflict, DatabaseUnavailable, Unavailable
from rtstream.store.integrity import quick_check
from rtstream.store.schema import failure, prepare

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger(__name__)

MARKER = "database.open"
CHECK_S = 2.0
"""Longest check of a database that was not closed, before the engine starts. Later, it continues in the background."""
DATABASE = "rtstream.db"
"""Name of the database in a data folder."""

_WAIT = "Try again in a few seconds; see the engine's log if it lasts."
_REPAIR = "Stop the engine and run 'rtstream-mcp db repair'."
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", _WAIT),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", _WAIT),
    sqlite3.SQLITE_NOMEM: ("has no memory left", _WAIT),
    sqlite3.SQLITE_READONLY: ("is read-only", "Make the data folder writable."),
    sqlite3.SQLITE_IOERR: ("cannot be read or written (I/O error)", "Check the disk of the data folder."),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _REPAIR),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Free some space."),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check the data folder."),
    sqlite3.SQLITE_PROTOCOL: ("cannot be locked", _WAIT),
    sqlite3.SQLITE_NOTADB: ("is not a database any more", _REPAIR),
}
"""Failures whose cause is not a query, by their SQLite result code: the problem and the next step."""
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
BUSY_S = 5.0
"""Longest wait for the lock of another program."""
BUSY_AGAIN_S = 0.25
"""The same while the database is unavailable, so that the writes in the queue do not wait behind each other."""

WRITES = "rtstream_writes"
"""Execution option of writing transactions: the longest wait for the lock of another program, in seconds."""
HEADER = b"SQLite format 3\0"
READERS = 4
CHECKPOINT_WRITES = 25
"""Number of writes after which a separate thread copies the write-ahead log into the database."""
MAX_WAL_PAGES = 50_000
"""Size of the log in pages of 4 KiB from which a write waits for the copying."""

MAPPED_BYTES = 0x7FFF0000
"""Bytes at the beginning of the file that are memory-mapped, which is the most that SQLite allows.

Search reads hundreds of rows spread over the file, which then takes a tenth of the time. The rest is read as usual."""


def open_engine(url: str | URL) -> Engine:
    """Open a database by its SQLAlchemy URL. SQLite gets write-ahead logging, foreign keys and full durability."""
    engine = create_engine(url, pool_size=READERS + 2, max_overflow=0)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _pragmas(raw: sqlite3.Connection, _record: object) -> None:
            raw.isolation_level = None  # use the BEGIN below, so that reads are also snapshots
            cursor = raw.cursor()
            cursor.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA fullfsync=ON")  # on macOS, where a sync would only reach the cache of the drive
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA wal_autocheckpoint={MAX_WAL_PAGES}")
            cursor.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(conn: Connection) -> None:
            busy_s = conn.get_execution_options().get(WRITES)
            if busy_s is None:
                conn.exec_driver_sql("BEGIN")
                return
            # At once, because a transaction that begins to write later fails if another program wrote in between.
            conn.exec_driver_sql(f"PRAGMA busy_timeout={busy_s * 1000:.0f}")
            conn.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _check_after_crash(path: Path) -> bool:
    """Check a database that was not closed. Returns whether there was time to finish.

    Raises:
        Conflict: It is damaged.
    """
    try:
        problem = quick_check(path, CHECK_S)
    except (OSError, Unavailable):
        return False  # opening it reports that
    if problem:
        log.error("the database is damaged: %s", problem)
        raise Conflict(f"The database {path} is damaged. Run 'rtstream-mcp db repair', then start again.")
    return problem is not None


OVERWRITTEN = "was overwritten while the engine ran"
CUT = "was cut short while the engine ran"


class _OpenFile:
    """The file of the database as it was opened. Everything here blocks.

    It stays open from ``note`` to ``close``. On POSIX systems, closing any descriptor of a file releases all locks that
    the process has on it. Without SQLite's lock, the next program that opens and closes the database would remove the
    write-ahead log from under the engine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self._file: FileIO | None = None
        self._turn = threading.Lock()

    def note(self) -> None:
        """Remember the file, which is open."""
        found = self._path.stat()
        self._identity = found.st_dev, found.st_ino
        self._file = FileIO(self._path)

    def close(self) -> None:
        """Close the file, after SQLite has."""
        if self._file is not None:
            self._file.close()

    def _header(self) -> bytes:
        with self._turn:
            if self._file is None:
                return HEADER
            self._file.seek(0)
            return self._file.read(len(HEADER))

    def absence(self) -> str:
        """Return whether another file, or none, is at the path, as ``problem`` does."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return "was removed while the engine ran"
        except OSError:
            return ""  # of the disk, which is reported elsewhere
        if self._identity is not None and (found.st_dev, found.st_ino) != self._identity:
            return "was replaced while the engine ran"
        return ""

    def problem(self) -> str:
        """Return what happened to the file behind the engine's back, or an empty string."""
        if absent := self.absence():
            return absent
        try:
            found = self._path.stat()
            header = self._header()
        except OSError:
            return ""
        if header != HEADER:
            return OVERWRITTEN
        if found.st_size < self._size:  # it is never made smaller
            return CUT
        self._size = found.st_size
        return ""


class Database:
    """Runs query functions in threads with ``await db.read(fn, *args)`` and ``await db.write(fn, *args)``.

    Each call is one transaction. It is committed when ``fn(conn, *args)`` returns, and rolled back if it raises.
    """

    def __init__(self, url: str | URL) -> None:
        self._engine = open_engine(url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="db-checkpoint")
        self._writes = 0
        self.committed = Broadcast()
        """Notified after each write that was committed."""
        self._file = _OpenFile(Path(self._engine.url.database or "")) if self._engine.dialect.name == "sqlite" else None
        self._failure: DatabaseUnavailable | None = None
        self._damage: DatabaseUnavailable | None = None
        self._unreadable: DatabaseUnavailable | None = None
        self.path: Path | None = None
        self.marker: Path | None = None
        """File that exists while the database is open, and after an end without ``close``."""
        self.checked = True
        """Whether the file needs no further check: the last end was clean, or a check found it whole."""
        self.created = False
        """Whether the file did not exist before it was opened."""
        self.on_change: Callable[[], None] = lambda: None
        """Called in the event loop when ``failure`` has changed."""
        try:
            prepare(self._engine)
            if self._file is not None:
                self._file.note()
                event.listen(self._engine, "do_connect", lambda *_: self._refuse_another_file())
                event.listen(self._engine, "connect", self._refuse_another_file, insert=True)  # before it writes
        except BaseException:
            self._engine.dispose()
            if self._file is not None:
                self._file.close()
            raise

    @classmethod
    def below(cls, data_dir: Path) -> Database:
        """Open the database of a data folder. An older one is copied and upgraded first.

        Raises:
            Conflict: The database belongs to a newer version or to another program, or it is not a database.
            Unavailable: It cannot be opened, copied or upgraded, for example because the disk is full.
        """
        path = data_dir / DATABASE
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            created = not path.exists()
            marker = data_dir / MARKER
            checked = not marker.exists() or _check_after_crash(path)
            # Created here, because SQLite would use default permissions and it holds the credentials of stream URLs.
            path.touch(mode=0o600)
        except OSError as exc:
            raise failure(path, exc) from exc
        opened = cls(URL.create("sqlite", database=str(path)))  # a path may hold ? and %
        opened.created, opened.checked, opened.path = created, checked, path
        with suppress(OSError):
            marker.touch(mode=0o600)
            opened.marker = marker
            disk.sync_folder(data_dir)
            if created:
                disk.sync_folder(data_dir.parent)
        return opened

    def _refuse_another_file(self, opened: sqlite3.Connection | None = None, _record: object = None) -> None:
        """Open no further connection after the file was removed or replaced.

        SQLite would create an empty database, or mix the rows of two. The check runs before SQLite opens the file, and
        again afterwards, because another program may have acted in between.
        """
        if self._file is not None and (absent := self._file.absence()):
            if opened is not None:
                opened.close()
            raise DatabaseUnavailable(f"The database file {absent}.", _REPAIR, damaged=True)

    @property
    def failure(self) -> DatabaseUnavailable | None:
        """The reason for which the database cannot be used now, or None. Damage remains until the next start."""
        return self._damage or self._failure

    def _note(self, failure: DatabaseUnavailable | None) -> None:
        before = self.failure
        if failure is not None and failure.damaged:
            self._damage = failure
        else:
            self._failure = failure
        now = self.failure
        if (before and before.message) != (now and now.message):
            self.on_change()

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """Run ``fn(conn, *args)`` as a reading transaction. Raises DatabaseUnavailable."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, partial(self._read, fn, *args, **named)
            )
        except DatabaseUnavailable as exc:
            self._note(exc)
            raise

    async def write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """Run ``fn(conn, *args)`` as a writing transaction. Writes run one after another, in the order of the calls.

        Raises:
            DatabaseUnavailable: Nothing was written. See ``WriteQueue`` for results that must not be lost then.
        """
        self._writes += 1
        if self._writes % CHECKPOINT_WRITES == 0 and self._engine.dialect.name == "sqlite":
            self._checkpoints.submit(self._checkpoint)
        try:
            result: T = await asyncio.get_running_loop().run_in_executor(
                self._writer, partial(self._write, fn, *args, **named)
            )
        except DatabaseUnavailable as exc:
            self._note(exc)
            raise
        self.committed.notify()
        if self._failure is not None:
            self._note(None)
        return result

    async def check(self, limit_s: float) -> None:
        """Check the whole file, because there was no time for it when it was opened. Sets ``failure``."""
        if self.path is None or self.checked:
            return
        problem = await asyncio.get_running_loop().run_in_executor(self._checkpoints, quick_check, self.path, limit_s)
        if problem:
            log.error("the database is damaged: %s", problem)
            self._note(DatabaseUnavailable("The database is damaged.", _REPAIR, damaged=True))
        self.checked = True

    async def examine(self) -> None:
        """Look whether the file is still the one that was opened, which SQLite notices late or never."""
        if self._file is None or self._unreadable is not None:
            return
        problem = await asyncio.get_running_loop().run_in_executor(self._readers, self._file.problem)
        if problem:
            log.error("the database file %s", problem)
            failure = DatabaseUnavailable(f"The database file {problem}.", _REPAIR, damaged=True)
            if problem in (OVERWRITTEN, CUT):
                self._unreadable = failure
            self._note(failure)

    def _checkpoint(self) -> None:
        """Copy the write-ahead log without delaying writers. In a writer, it would take 0.1 s or more per 4 MB."""
        with self._engine.connect() as conn:
            raw = conn.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def _read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        return self._run(self._engine, lambda conn: fn(conn, *args, **named))

    def _write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        busy_s = BUSY_S if self._failure is None else BUSY_AGAIN_S
        engine = self._engine.execution_options(**{WRITES: busy_s})
        return self._run(engine, lambda conn: fn(conn, *args, **named))

    def _run(self, engine: Engine, fn: Callable[[Connection], T]) -> T:
        if self._unreadable is not None:  # rows would be made up of other bytes
            raise DatabaseUnavailable(self._unreadable.problem, self._unreadable.next_step, damaged=True)
        try:
            with engine.begin() as conn:
                return fn(conn)
        except (DBAPIError, sqlite3.Error) as exc:  # the second where a query uses the driver itself
            cause = exc.orig if isinstance(exc, DBAPIError) else exc
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the low byte of extended codes is the kind
            if code not in _UNAVAILABLE:
                raise  # a fault of the query
            if self.failure is None:  # else it is known
                log.warning("the database failed: %s", cause)
            problem, next_step = _UNAVAILABLE[code]
            raise DatabaseUnavailable(
                f"The database {problem}.",
                next_step,
                disk_full=code == sqlite3.SQLITE_FULL,
                damaged=code in _DAMAGE,
            ) from exc

    async def aclose(self) -> None:
        """Finish the queued calls, then close the database."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Do the same as ``aclose`` outside an event loop."""
        self._writer.shutdown(wait=True)
        self._checkpoints.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._engine.dispose()
        if self._file is not None:
            self._file.close()
        if self.marker is not None and self._damage is None:
            with suppress(OSError):
                self.marker.unlink(missing_ok=True)
