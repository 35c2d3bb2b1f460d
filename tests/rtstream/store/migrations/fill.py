"""Write the database of an older schema, upgraded to the newest one, as SQL.

python -m tests.rtstream.store.migrations.fill 0008 > tests/rtstream/store/migrations/0009.sql
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from rtstream.store.database import Database
from tests.rtstream.store.migrations.databases import older
from tests.rtstream.store.migrations.dump import dump

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = older(sys.argv[1], Path(folder))
        Database.below(Path(folder)).close()
        with closing(sqlite3.connect(path)) as db:
            sys.stdout.writelines(f"{statement}\n" for statement in dump(db))
