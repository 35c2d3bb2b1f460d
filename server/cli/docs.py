"""Generates the tables of tools and settings in README.md and docs/.

``python -m server.cli.docs`` writes the pages. With ``--check``, it exits with status 1 if a page would change.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rtstream.api.schema import error_codes
from server.cli.terminal import warn
from server.settings import PREFIX, Settings
from tools._framework.definition import build
from tools.registry import definitions

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = (ROOT / "README.md", REFERENCE / "settings.md", REFERENCE / "tools.md", REFERENCE / "errors.md")


def tools_table() -> str:
    """Table of tools with name, purpose, group and effect."""
    lines = ["| Tool | What it does | Group | |", "|---|---|---|---|"]
    for definition in definitions():
        hints = definition.annotations
        reads = "reads" if hints.read_only_hint else "removes" if hints.destructive_hint else "changes"
        what = _cell(build(definition).description.split(". ")[0].rstrip("."))
        group = ", ".join(part for part in (definition.group, "default" if definition.default else "") if part)
        lines.append(f"| `{definition.fn.__name__}` | {what}. | {group} | {reads} |")
    return "\n".join(lines)


def settings_table() -> str:
    """Table of settings with environment variable, default and help."""
    lines = ["| Variable | Default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        # The default folder depends on the machine.
        default = "user data folder" if name == "data_dir" else field.get_default(call_default_factory=True)
        shown = "" if default in (None, "") else f"`{default}`" if name != "data_dir" else default
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {_cell(field.description)} |")
    return "\n".join(lines)


def errors_table() -> str:
    """Table of error codes with status and meaning."""
    lines = ["| Code | Status | Meaning |", "|---|---|---|"]
    for code, error in error_codes().items():
        meaning = " ".join((error.__doc__ or "").partition("\n\n")[0].split())
        lines.append(f"| `{code}` | {error.status} | {_cell(meaning)} |")
    return "\n".join(lines)


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


TABLES = {"tools": tools_table, "settings": settings_table, "errors": errors_table}


def filled(text: str) -> str:
    """Fill each table in ``text`` between its markers ``<!-- tools:begin -->`` and ``<!-- tools:end -->``."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, found, rest = text.partition(begin)
        if found and end in rest:
            text = f"{before}{begin}\n{table()}\n{end}{rest.partition(end)[2]}"
    return text


def main(arguments: list[str]) -> int:
    """Write or check the pages. Returns the exit status."""
    stale = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fresh = filled(text)
        if fresh == text:
            continue
        if "--check" in arguments:
            warn(f"{page.name} is not up to date. Run 'make docs'.")
            stale = 1
        else:
            page.write_text(fresh, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
