"""``rtstream-mcp db``: backs up, checks and repairs the database of a data folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio

from rtstream.errors import Conflict, NotFound, RTStreamError, Unavailable
from server.cli.terminal import say, warn
from server.settings import load

ABOUT = "Back up, check and repair the database of a data folder."
EPILOG = """\
  rtstream-mcp db backup --to /media/usb/rtstream.db
  rtstream-mcp db check
  rtstream-mcp db repair

backup and check may run while an engine runs. repair needs the engine to be stopped. It writes the readable rows to a
new database, adds the others from the newest backup, and enters the recordings from their logs. The damaged files are
kept.
"""
CHECK_S = 3600.0
ASIDE = "damaged-%Y%m%dT%H%M%SZ"


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None, lenient=True)
        return {"backup": _backup, "check": _check, "repair": _repair}[given.command](settings.data_dir, given)
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
    except OSError as exc:
        warn(f"rtstream-mcp: The {given.command} of the database failed: {exc.strerror or exc}.")
    return 2


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "rtstream-mcp db", description=ABOUT, epilog=EPILOG, formatter_class=layout, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="backup|check|repair")
    backup = commands.add_parser("backup", help="copy the database", allow_abbrev=False)
    backup.add_argument("--to", metavar="FILE", type=Path, help="name of the copy (default: in the folder of backups)")
    check = commands.add_parser("check", help="check the database; exits with status 1 if it is damaged")
    repair = commands.add_parser("repair", help="rebuild a damaged or missing database", allow_abbrev=False)
    repair.add_argument("--force", action="store_true", help="rebuild a database that passes the check")
    for command in (backup, check, repair):
        command.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    return parser


def _backup(data_dir: Path, given: argparse.Namespace) -> int:
    from rtstream.store import backups

    target: Path | None = given.to
    if target is not None and target.exists():
        raise Conflict(f"{target} exists already. Choose another name.")
    copied = backups.backup(_existing(data_dir), target, pause_s=0.0)
    say(f"{copied} ({copied.stat().st_size / 1e6:.1f} MB)")
    return 0


def _check(data_dir: Path, _given: argparse.Namespace) -> int:
    from rtstream.store.integrity import quick_check

    path = _existing(data_dir)
    problem = quick_check(path, CHECK_S)
    if problem is None:
        raise Unavailable(f"The check of {path} did not finish within {CHECK_S / 60:.0f} minutes.")
    if problem:
        say(f"{path} is damaged: {problem}", "Stop the engine and run 'rtstream-mcp db repair'.")
        return 1
    say(f"{path} is whole.")
    return 0


def _repair(data_dir: Path, given: argparse.Namespace) -> int:
    from rtstream.store.database import DATABASE, MARKER

    if not data_dir.is_dir():
        raise NotFound(f"There is no data folder {data_dir}.")
    with without_engine(data_dir):
        path = data_dir / DATABASE
        if path.exists() and not given.force and _is_whole(path):
            (data_dir / MARKER).unlink(missing_ok=True)
            say(f"{path} is whole, so there is nothing to repair. --force rebuilds it all the same.")
            return 0
        _rebuild(data_dir, path)
        (data_dir / MARKER).unlink(missing_ok=True)
        anyio.run(_enter_recordings, data_dir)
    return 0


def _is_whole(path: Path) -> bool:
    from rtstream.store.integrity import quick_check

    return path.stat().st_size > 0 and quick_check(path, CHECK_S) == ""


def _rebuild(data_dir: Path, path: Path) -> None:
    from rtstream.store import backups
    from rtstream.store.salvage import rebuild

    new = data_dir / f".{path.name}.repair"
    for suffix in ("", "-wal", "-shm"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    aside = data_dir / time.strftime(ASIDE, time.gmtime())
    aside.mkdir(mode=0o700)
    for suffix in ("", "-wal", "-shm", "-journal"):
        found = path.with_name(path.name + suffix)
        if found.exists():
            found.replace(aside / found.name)
    whole = [copy for copy in reversed(backups.stored(data_dir)) if _is_whole(copy)]
    report = rebuild(aside / path.name, whole[0] if whole else None, new)
    new.replace(path)
    say(f"{report.rows} rows were read from the damaged database, which is kept in {aside}.")
    if report.incomplete:
        source = f"from the backup {whole[0].name}" if whole else "from backups, because there is none"
        say(f"Not complete: {', '.join(report.incomplete)}. {report.from_backup} rows were added {source}.")


def scan(data_dir: Path) -> int:
    """Enter the recordings that the database does not know. Returns the exit status.

    Raises:
        RTStreamError: An engine runs, or the database cannot be used.
    """
    with without_engine(data_dir):
        anyio.run(_enter_recordings, data_dir)
    return 0


async def _enter_recordings(data_dir: Path) -> None:
    from rtstream.engine.recordings import RecordingProjection
    from rtstream.storage.folder import FolderStorage
    from rtstream.store import streams
    from rtstream.store.database import Database

    db = Database.below(data_dir)
    try:
        await db.write(streams.ensure_default_collection, time.time())
        found = await RecordingProjection(db, FolderStorage.create(data_dir / "media")).scan()
    finally:
        await db.aclose()
    say(
        f"{found.segments} segments were entered from the logs of recordings, and {found.streams} streams were found "
        f"again. {found.missing} segments no longer have a file."
    )


@contextmanager
def without_engine(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the engine. Raises Conflict if an engine runs."""
    from filelock import FileLock, Timeout

    from server.engine_file import ENGINE_LOCK

    lock = FileLock(data_dir / ENGINE_LOCK)
    try:
        lock.acquire(timeout=0.5, poll_interval=0.05)
    except Timeout:
        raise Conflict(f"An engine runs on {data_dir}. Stop it first.") from None
    try:
        yield
    finally:
        lock.release()


def _existing(data_dir: Path) -> Path:
    from rtstream.store.database import DATABASE

    path = data_dir / DATABASE
    if not path.exists():
        raise NotFound(f"There is no database {path}. 'rtstream-mcp db repair' rebuilds it from the recordings.")
    return path
