"""Starts recorder and extraction processes without loading the codec library in the process that starts them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

from rtstream.messages import RecorderSpec

J = TypeVar("J")

log = logging.getLogger(__name__)

_starting = threading.Lock()


def context() -> BaseContext:
    """Return the context that starts these processes by forking a server that has already loaded the codec library.

    A new process is then cheap (its pages are shared) and safe (the server has no threads). Windows has no fork.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["rtstream.recorder.process"])
    return forkserver


def start_recorder(spec: RecorderSpec) -> tuple[BaseProcess, Connection]:
    """Start the recorder of one stream. Blocks for about half a second the first time, for milliseconds later.

    The connection carries ``rtstream.messages`` as bytes (``send_bytes``, ``recv_bytes``). The recorder exits when the
    connection closes. The caller joins it.

    Raises:
        OSError: The process cannot be started.
    """
    return start_process(_enter, spec, f"media-{spec.stream_id}")


def start_process(target: Callable[[Connection, J], None], job: J, name: str) -> tuple[BaseProcess, Connection]:
    """Start ``target(connection, job)`` in a process of its own.

    Args:
        target: A module-level function.
        job: A picklable value.
        name: Name of the process.

    Returns:
        The process and the caller's end of the connection.

    Raises:
        OSError: The process cannot be started.
    """
    ours, theirs = multiprocessing.Pipe()
    process = context().Process(  # pyright: ignore[reportAttributeAccessIssue]
        target=_run, args=(target, theirs, job), name=name, daemon=True
    )
    try:
        with _starting:
            _start_without_main(process)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _start_without_main(process: BaseProcess) -> None:
    """Start a process that does not import our main module.

    A child normally imports the parent's main module again. For these processes, that only takes time and memory, and a
    program without a ``__name__`` guard would start itself again. An empty main module contains nothing to import.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main


def _run(target: Callable[[Connection, J], None], connection: Connection, job: J) -> None:
    """Run the target of a new process. Its errors are logged, because Python would print them as they are."""
    from rtstream.logs import log_to_stderr

    log_to_stderr("WARNING")
    try:
        target(connection, job)
    except Exception:
        log.exception("%s failed", multiprocessing.current_process().name)
        sys.exit(1)


def _enter(connection: Connection, spec: RecorderSpec) -> None:
    from rtstream.recorder.process import main

    main(connection, spec)


def end_with_parent() -> None:
    """End this process, in which ``multiprocessing`` runs a function, with the one that started it."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
