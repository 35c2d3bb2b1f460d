"""The command line: ``rtstream-mcp`` is MCP over stdio, ``rtstream-mcp serve`` the engine and all on one port."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from rtstream.json_types import JsonObject

EPILOG = """\
Without a command: MCP over stdin and stdout, as a chat client starts it.

commands:
  serve    engine, HTTP API and MCP at /mcp on one port (rtstream-mcp serve --help)
  watch    waits for something to happen on streams, prints it and ends (rtstream-mcp watch --help)
  demo     a live stream, watched and alerted on, driven by a real MCP client
  doctor   what is set up and whether it works; tries each configured model once
  webhook-secret
           the secret with which receivers check that webhooks come from here
  install-embeddings
           the weights that let search go by meaning as well as by words
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in ``argv``; gives the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    try:
        match command:
            case "":
                return _stdio(arguments)
            case "serve":
                return _serve(arguments[1:])
            case "watch":
                from server.cli.watch import main as watch

                return watch(arguments[1:])
            case "demo":
                from server.cli.demo import main as demo  # pyright: ignore[reportMissingImports]

                return demo(arguments[1:])
            case "doctor":
                from server.cli.doctor import main as doctor

                return doctor(arguments[1:])
            case "webhook-secret":
                from server.cli.webhook_secret import main as webhook_secret

                return webhook_secret(arguments[1:])
            case "install-embeddings":
                from server.cli.embeddings import main as install_embeddings

                return install_embeddings(arguments[1:])
        sys.stderr.write(f"rtstream-mcp: there is no command '{command[:50]}': see rtstream-mcp --help.\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _stdio(arguments: list[str]) -> int:
    from server.stdio import serve_stdio

    given = _parsed("", EPILOG, arguments)
    return _run(serve_stdio, given, lenient=True)


def _serve(arguments: list[str]) -> int:
    given = _parsed("serve", "Engine, HTTP API and MCP at /mcp on one port.", arguments)
    # Read when numpy is loaded. Small matrices in many threads: more threads inside each only fight for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    async def serve(settings: Any) -> None:
        from server.http import serve_http

        await serve_http(settings)

    return _run(serve, given)


def _parsed(command: str, about: str, arguments: list[str]) -> JsonObject:
    """The settings given as options. The parser costs time that a start without options need not pay."""
    if not arguments:
        return {}
    import argparse

    from server.cli import options

    layout = argparse.RawDescriptionHelpFormatter
    program = f"rtstream-mcp {command}".strip()
    parser = argparse.ArgumentParser(program, description=about, formatter_class=layout, allow_abbrev=False)
    options.add_options(parser, options.COMMANDS[command])
    return vars(parser.parse_args(arguments))


def _run(program: Any, given: JsonObject, *, lenient: bool = False) -> int:
    import anyio

    from rtstream.errors import RTStreamError
    from server.settings import load

    status = 0
    try:
        settings = load(given, lenient=lenient)
        _log_to_stderr(settings.log_level)
        anyio.run(program, settings)
    except* RTStreamError as group:  # out of task groups it comes wrapped
        sys.stderr.write(f"rtstream-mcp: {_first(group)}\n")
        status = 2
    return status


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _log_to_stderr(level: str) -> None:
    # Before the SDK does, which would log requests with their addresses.
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpcore", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    from rtstream_mcp import own_packages_first

    own_packages_first()
    sys.exit(main())
