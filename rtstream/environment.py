"""The environment of this process and of those it starts."""

from __future__ import annotations

import os

from rtstream.rules.child_environment import child_environment

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def exempt_loopback() -> None:
    """Let no proxy of the environment receive requests to this machine.

    Without ``NO_PROXY``, HTTP libraries send even those through the proxy. Frames and speech for a model server on this
    machine would then leave it.
    """
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    if "*" not in hosts:  # it exempts all hosts, but only where it stands alone
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def withhold_secrets() -> None:
    """Start every further child process without the secrets in the environment of this one.

    Python passes children the environment of the C library, of which ``os.environ`` is a copy. The variables are
    removed from the former only, so the program still reads its keys. Call it before other threads run.
    """
    passed = child_environment(os.environ)
    for name in os.environ:
        if name not in passed:
            os.unsetenv(name)
