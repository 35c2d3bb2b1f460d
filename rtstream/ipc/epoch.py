"""The number of each engine of a data folder, by which recorders tell the newest one."""

from __future__ import annotations

import os
from pathlib import Path

from rtstream.ipc.sockets import private_folder

FILE = "epoch"


def next_epoch(run_folder: Path) -> int:
    """Return the number of this engine, which is higher than that of every earlier engine of the data folder.

    The caller is the only engine of the folder that starts.

    Raises:
        OSError: It cannot be stored.
    """
    private_folder(run_folder)
    path = run_folder / FILE
    try:
        last = int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        last = 0
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    draft.write_text(f"{last + 1}\n", encoding="ascii")
    draft.replace(path)
    return last + 1
