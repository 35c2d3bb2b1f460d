"""The number of each engine of a data folder, by which recorders tell the newest one."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from rtstream.ipc.sockets import private_folder

log = logging.getLogger(__name__)

FILE = "epoch"


def next_epoch(run_folder: Path) -> int:
    """Return the number of this engine, which is higher than that of every earlier engine of the data folder.

    The caller is the only engine of the folder that starts. A full disk does not keep it from starting: the number is
    then not stored, and the next engine has the same one, which recorders accept as well.

    Raises:
        OSError: The folder cannot be created, or the last number cannot be read.
    """
    private_folder(run_folder)
    path = run_folder / FILE
    try:
        last = int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        last = 0
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        draft.write_text(f"{last + 1}\n", encoding="ascii")
        draft.replace(path)
    except OSError as exc:
        log.warning("the number of this engine cannot be stored: %s", exc.strerror)
        with suppress(OSError):
            draft.unlink()
    return last + 1
