"""The environment of this process and of those it starts."""

from __future__ import annotations

import os

from rtstream.rules.child_environment import child_environment


def withhold_secrets() -> None:
    """Start every further child process without the secrets in the environment of this one.

    Python passes children the environment of the C library, of which ``os.environ`` is a copy. The variables are
    removed from the former only, so the program still reads its keys. Call it before other threads run.
    """
    passed = child_environment(os.environ)
    for name in os.environ:
        if name not in passed:
            os.unsetenv(name)
