"""Writes the next migration with ``python -m rtstream.store.migrations "Add links"``.

The newest migration is compared with the tables, and their difference is written to a new module, which has to be
reviewed and completed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from rtstream.store import schema
from rtstream.store.migrations import runner


def write(message: str) -> None:
    """Write the module of the next migration into ``versions``."""
    number = f"{int(schema.head()) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder, schema.exclusive(Path(folder) / "rtstream.db") as conn:
        runner.to_head(conn)
        command.revision(runner.config(conn), message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('Usage: python -m rtstream.store.migrations "Add links"')
    write(sys.argv[1])
