"""The file in the data folder by which programs find the running engine, and the lock that it holds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rtstream import __version__
from rtstream.errors import Unavailable
from rtstream.json_types import JsonObject, JsonValue

if TYPE_CHECKING:
    from rtstream.rules.identity import EngineIdentity

ENGINE_FILE = "engine.json"
ENGINE_LOCK = "engine.lock"


def make_folder(data_dir: Path) -> None:
    """Create the data folder, for this user only. Raises Unavailable if it cannot be created or written to."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise Unavailable(
            f"The data folder {data_dir} cannot be created: {exc.strerror}. Set RTSTREAM_DATA_DIR."
        ) from exc
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise Unavailable(f"The data folder {data_dir} cannot be written to. Set RTSTREAM_DATA_DIR.")


def read_engine_file(data_dir: Path) -> JsonObject:
    """Return the data that the engine of this folder wrote about itself, or an empty object if there is none."""
    try:
        value = json.loads((data_dir / ENGINE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_identity(data_dir: Path) -> EngineIdentity | None:
    """Return the identity of the engine of this folder, or None."""
    from rtstream.rules.identity import EngineIdentity

    found = read_engine_file(data_dir)
    secret, certificate = found.get("secret"), found.get("certificate", "")
    if not isinstance(secret, str) or len(secret) < 32 or not isinstance(certificate, str):
        return None
    return EngineIdentity(secret, certificate)


def lock_held(data_dir: Path) -> bool:
    """An engine runs on the folder: it holds the lock as long as it lives, and the system frees it."""
    from filelock import FileLock, Timeout

    path = data_dir / ENGINE_LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def may_hold_lock(data_dir: Path, pid: JsonValue) -> bool:
    """Whether the process ``pid`` holds the lock of the engine, as far as the platform names holders (Linux does)."""
    try:
        found = (data_dir / ENGINE_LOCK).stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for _, kind, *words in filter(None, map(str.split, locks)):
        # FLOCK ADVISORY WRITE <pid> <device>:<inode> 0 EOF
        if kind == "FLOCK" and words[3:4] == [place]:
            return str(pid) in _pids_of(words[2])
    return True  # of another container, or on a file system that reports other devices


def _pids_of(pid: str) -> list[str]:
    """All numbers of a process: it has another one in each namespace of processes, such as its container."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [pid]
    return next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [pid])


def write_engine_file(data_dir: Path, url: str, identity: EngineIdentity) -> None:
    """Let other programs of this user find this process as the engine of the folder, and recognise it."""
    path = data_dir / ENGINE_FILE
    draft = path.with_suffix(f".{os.getpid()}")
    found = {"url": url, "pid": os.getpid(), "version": __version__, **asdict(identity)}
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(found, file)
    draft.replace(path)


def remove_engine_file(data_dir: Path) -> None:
    """This process is no longer the engine."""
    if read_engine_file(data_dir).get("pid") == os.getpid():
        (data_dir / ENGINE_FILE).unlink(missing_ok=True)
