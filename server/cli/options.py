"""Command-line options, derived from the settings with the same names and help."""

from __future__ import annotations

import argparse

from rtstream.json_types import JsonObject
from server.settings import PREFIX, RENAMED, Settings, option, renamed_sentence

ENVIRONMENT_ONLY = frozenset(name for name in Settings.model_fields if name.endswith(("api_key", "credentials")))
"""Keys are not options, because every user of the machine can list command lines."""
BACKGROUND = frozenset({"api_url", "engine_start_timeout_s", "engine_idle_exit_s"})
STDIO = frozenset({"data_dir", "log_level", "wait_default_s", "wait_max_s", "toolsets", "read_only"}) | BACKGROUND
SERVE = frozenset(Settings.model_fields) - ENVIRONMENT_ONLY - BACKGROUND
COMMANDS = {"": STDIO, "serve": SERVE}
"""Settings that are options of each command. The empty command is MCP over stdio."""


def add_options(parser: argparse.ArgumentParser, names: frozenset[str]) -> None:
    """Add the options of these settings to ``parser``, in the order of their definition."""
    for name, field in Settings.model_fields.items():
        if name not in names:
            continue
        default = field.get_default(call_default_factory=True)
        shown = f" (default {default})" if default not in (None, "", True, False) else ""
        text = f"{field.description}{shown} [{PREFIX}{name.upper()}]".replace("%", "%%")
        kind: JsonObject = {"metavar": name.rsplit("_", 1)[-1].upper()}
        if field.annotation is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        parser.add_argument(option(name), dest=name, default=argparse.SUPPRESS, help=text, **kind)
    for old in RENAMED:
        spellings = (option(old), f"--no-{option(old)[2:]}")
        parser.add_argument(
            *spellings, dest=old, action=_Renamed, nargs="?", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


class _Renamed(argparse.Action):
    """An option of an earlier version, which is an error that names the new one."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(renamed_sentence(self.dest))
