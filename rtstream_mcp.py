"""Entry point of the program. Finds its own packages first, regardless of PYTHONPATH and the working folder.

Three of its packages have names that other projects also use (``server``, ``tools``, ``resources``), and an IDE starts
it inside such projects. The name of this module is unique, so it is found and runs before the others.
"""

from __future__ import annotations

import os
import sys

OWN = ("server", "tools", "resources", "rtstream")


def own_packages_first() -> None:
    """Order ``sys.path`` so that no folder with packages of the same names comes before the one this file is in.

    Such folders move to the end; everything else stays where it was. Child processes inherit the order.
    """
    root = os.path.dirname(os.path.abspath(__file__))

    def hides_ours(entry: str) -> bool:
        return any(os.path.exists(os.path.join(entry, name + suffix)) for name in OWN for suffix in ("", ".py"))

    hiding = [entry for entry in sys.path if os.path.abspath(entry) != root and hides_ours(entry)]
    first = [entry for entry in sys.path if entry not in hiding]
    sys.path[:] = [*first, *([] if root in first else [root]), *hiding]


def main() -> None:
    """The console script."""
    own_packages_first()
    from server.__main__ import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
