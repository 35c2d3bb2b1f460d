"""The command line: ``rtstream-mcp`` speaks MCP over stdio, and ``rtstream-mcp serve`` runs the engine."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from rtstream.environment import exempt_loopback
from rtstream.json_types import JsonObject
from rtstream.logs import log_to_stderr

if TYPE_CHECKING:  # takes long to import
    from server.settings import Settings

MODULES = {
    "watch": "server.cli.watch",
    "demo": "server.cli.demo",
    "doctor": "server.cli.doctor",
    "stop": "server.cli.stop",
    "camera": "server.cli.camera",
    "link": "server.cli.link",
    "recordings": "server.cli.recordings",
    "db": "server.cli.database",
    "webhook-secret": "server.cli.webhook_secret",
}
"""Commands with a module of their own, imported when they run."""
COMMANDS = ("serve", *MODULES)
REMOVED = {"install-embeddings": "Search by meaning needs no command any more. It is part of the extra 'local'."}
"""Commands of earlier versions that have nothing left to do."""

EPILOG = """\
Without a command: MCP over stdin and stdout, as a chat client starts it.

commands:
  serve    run the engine, the HTTP API and MCP at /mcp on one port (rtstream-mcp serve --help)
  watch    wait for events on streams, print them and exit (rtstream-mcp watch --help)
  demo     start a live stream and watch it with a real MCP client
  stop     end the engine of the data folder and all its recorders
  doctor   show the configuration and try each configured model once
  camera   find cameras, show what a source carries, show publishers where to send (rtstream-mcp camera --help)
  link     list and revoke playback links (rtstream-mcp link --help)
  recordings
           list recorded files, copy a range to an MP4 file, find lost footage again
  db       back up, check and repair the database
  webhook-secret
           print the secret that verifies webhooks
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The command and its arguments; those of the process by default.

    Returns:
        The exit status.
    """
    log_to_stderr("WARNING")  # commands with settings choose another level
    exempt_loopback()
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    try:
        if command == "":
            return _stdio(arguments)
        if command == "serve":
            return _serve(arguments[1:])
        if command in MODULES:
            return importlib.import_module(MODULES[command]).main(arguments[1:])
        if command in REMOVED:
            _warn(f"rtstream-mcp: {REMOVED[command]}")
            return 0
        _warn(f"rtstream-mcp: unknown command '{command[:50]}'. rtstream-mcp --help lists all commands.")
        return 2
    except KeyboardInterrupt:
        return 130


def _stdio(arguments: list[str]) -> int:
    from server.stdio import serve_stdio

    given = _parsed("", EPILOG, arguments)
    return _run(serve_stdio, given, lenient=True)


def _serve(arguments: list[str]) -> int:
    given = _parsed("serve", "Run the engine, the HTTP API and MCP at /mcp on one port.", arguments)
    # numpy reads this when it is loaded. Small matrices are multiplied in many threads at the same time, so threads
    # inside each multiplication would only compete for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports create many objects and hardly any garbage. Collected again once everything is loaded.
    gc.disable()
    from rtstream.environment import withhold_secrets

    withhold_secrets()  # the engine reads its keys; its recorders and local models have no use for them

    async def serve(settings: Settings) -> None:
        from rtstream.ipc.forkserver import start_early
        from rtstream.ipc.sockets import SUPPORTED, run_folder

        if SUPPORTED:  # beside the imports that follow, which take a second
            start_early(run_folder(settings.data_dir), settings.data_dir / "media")
        from server.http import serve_http

        await serve_http(settings)

    return _run(serve, given)


def _parsed(command: str, about: str, arguments: list[str]) -> JsonObject:
    """The settings given as options. Without options, the parser is not imported, because that takes time."""
    if not arguments:
        return {}
    import argparse

    from server.cli import options

    layout = argparse.RawDescriptionHelpFormatter
    program = f"rtstream-mcp {command}".strip()
    parser = argparse.ArgumentParser(program, description=about, formatter_class=layout, allow_abbrev=False)
    options.add_options(parser, options.COMMANDS[command])
    return vars(parser.parse_args(arguments))


def _run(program: Callable[[Settings], Awaitable[None]], given: JsonObject, *, lenient: bool = False) -> int:
    import anyio

    from rtstream.concurrency import first_error
    from rtstream.errors import RTStreamError
    from server.settings import load

    status = 0
    try:
        settings = load(given, lenient=lenient)
        _log_to_stderr(settings.log_level)
        anyio.run(program, settings)
    except* RTStreamError as group:  # task groups wrap it
        _warn(f"rtstream-mcp: {first_error(group)}")
        status = 2
    return status


def _warn(line: str) -> None:
    from server.cli.terminal import warn

    warn(line)


def _log_to_stderr(level: str) -> None:
    # This precedes the set-up by the SDK, which would log the URLs of requests.
    log_to_stderr(level)
    for chatty in ("httpx", "httpcore", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    from rtstream_mcp import own_packages_first

    own_packages_first()
    sys.exit(main())
