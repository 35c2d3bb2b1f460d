"""Checks the English of the project against the patterns listed in docs/developers/style.md.

The check reads docstrings, comments, the texts of the product (errors, log lines, descriptions) and Markdown pages.
Findings that were there before the check are counted per file in ``prose_baseline.txt``. A count may only shrink.

Run ``python scripts/prose.py`` to check, with file names to list every finding in them, and with ``--update`` to
lower the baseline after an improvement.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASELINE = Path(__file__).with_name("prose_baseline.txt")
PRODUCT = ("rtstream", "server", "tools", "resources", "rtstream_mcp.py")
"""Packages whose string literals are read by people or models. In tests, literals are test data."""

MIN_WORDS = 3
"""String literals with fewer words are identifiers and keys rather than prose."""


@dataclass(frozen=True)
class Pattern:
    """A phrase to avoid, and its replacement."""

    name: str
    regex: re.Pattern[str]
    advice: str
    docstrings_only: bool = False


@dataclass(frozen=True)
class Passage:
    """A piece of prose in a file."""

    line: int
    text: str
    docstring: bool = False


@dataclass(frozen=True)
class Finding:
    """One match of a pattern."""

    path: str
    line: int
    pattern: Pattern
    excerpt: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.pattern.name}: “{self.excerpt}”. {self.pattern.advice}"


def _pattern(name: str, regex: str, advice: str, *, docstrings_only: bool = False, exact_case: bool = False) -> Pattern:
    return Pattern(name, re.compile(regex, 0 if exact_case else re.IGNORECASE), advice, docstrings_only)


NOT_A_COUNTED_NOUN = "is|in|of|has|had|with|that|at|for|or|to|was|by|and|if|on|than|as|gets|needs|who|which|from|before"

PATTERNS = (
    _pattern(
        "question opening",
        r"^(what|which|how|why|who|where|whose)\b(?![^.?]*\?)",
        "Open with a noun or a verb.",
        docstrings_only=True,
    ),
    _pattern(
        "relative who without a noun",
        r"\b(to|by|for|from|of|with|and|or|tells?|says?|serves?|answers?|asks?|knows?) (who|whoever|whom)\b"
        r"(?! (is|are) )",
        "Name the role: a client, a user, the caller.",
    ),
    _pattern("vague person", r"\b(somebody|nobody|everybody|whoever|someone)\b", "Name the role: a client, a user."),
    _pattern("goes by", r"\b(go|goes|going|went) by\b", "Write uses, follows or depends on."),
    _pattern(
        "one X a Y",
        rf"\bone (?!(?:{NOT_A_COUNTED_NOUN})\b)[a-z]+ an? [a-z]+\b",
        "Write one X per Y.",
    ),
    _pattern("so many", r"\b(so|that) many (bytes|seconds|minutes|hours|days|characters|pictures|times)\b", "Name it."),
    _pattern("for ever", r"\bfor ever\b", "Write forever, or without limit."),
    _pattern("anew", r"\banew\b", "Write again, or regenerate."),
    _pattern("closing too", r"\btoo(?=[.;:)]|,(?! (?:and|but))|$)", "Write also before the verb."),
    _pattern(
        "answer for response",
        r"\b(call|api|server|engine|route|request|receiver|source|client|player|page)s? answers?\b"
        r"|\banswers? (with|the|a|an|of the (call|api|server|tool)|none|nothing)\b|\bis answered\b|\bare answered\b",
        "Write response, result or reply, and returns or responds.",
    ),
    _pattern(
        "go on", r"\b(go|goes|went) on\b(?! the)|\bgoing on (?:with|when|while|after)\b", "Write continue or resume."
    ),
    _pattern(
        "give for return",
        r"\bgives? (the|a|an|its|their|one|none|nothing|what|how|up to|new)\b(?! reason)|[;,] gives\b",
        "Write returns, assigns or sends.",
    ),
    _pattern("also for even", r"\balso (when|while|after|before|where|if|without)\b", "Write even when."),
    _pattern(
        "a field that says",
        r"\b(says|tells|say|tell) (so|whether|which|how|what|why|who|that|when|where)\b",
        "Name the field and its value, or write shows or reports.",
    ),
    _pattern(
        "what in place of a noun",
        r"\bwhat (is|was|are|were|came|comes|has|had|may|must)\b(?![^.]*\?)",
        "Use a noun.",
    ),
    _pattern(
        "no comma after an opening clause",
        r"(?:^|[.] )(Without (?:it|them|one|that)|Otherwise|By default|Until then|If not|If so|In that case"
        r"|Instead(?! of)) (?=[a-z])",
        "Put a comma after the opening clause.",
    ),
    _pattern(
        "is no", r"(?<!there )\b(is|are|was) no (?!longer|more|less|later|such|way|one|reason)[a-z]+", "Write is not a."
    ),
    _pattern(
        "is none", r"(?<!there )\b(is|are) none\b(?! of)", "Write does not exist, or is not one.", exact_case=True
    ),
    _pattern(
        "house word",
        r"\bMCP face\b|\bembedded (default|reader|rules|one|engines?|vision|model)\b|\bmedia workers?\b"
        r"|\bmend(s|ed|ing)?\b|\b(four |a )rooms?\b|\bis kept to\b|\blets? go of\b|\btakes? up\b|\bcatch(es)? up\b"
        r"|\bloses? its\b|\bat most so\b|\bholds? up\b",
        "Use the term of the glossary.",
    ),
    _pattern("sound for audio", r"\b(the|its|no|of|with|without|and|oldest) sound\b(?! effects?)", "Write audio."),
    _pattern("judge for match", r"\bjudg(e|es|ed|ing)\b", "Write match or evaluate."),
    _pattern(
        "chain of colons",
        r"[a-z)`][:;] [a-z][^.!?:;]*[a-z)`][:;] [a-z]",
        "Write two sentences.",
        exact_case=True,
    ),
)


def passages(path: Path, text: str) -> Iterator[Passage]:
    """The prose in the text of a file, in no particular order."""
    if path.suffix == ".md":
        yield from _markdown(text)
        return
    yield from _comments(text)
    product = path.parts[0] in PRODUCT
    nodes = list(ast.walk(ast.parse(text)))
    docstrings: set[int] = set()
    for node in nodes:
        for literal in _docstrings(node):
            docstrings.add(id(literal))
            for number, paragraph in enumerate(_paragraphs(str(literal.value))):
                yield Passage(literal.lineno, paragraph, docstring=number == 0)
    for node in nodes if product else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            flat = _flat(node.value)
            if len(flat.split()) >= MIN_WORDS:
                yield Passage(node.lineno, flat)


def _docstrings(node: ast.AST) -> Iterator[ast.Constant]:
    """Docstrings in the body of a node, those below attributes included."""
    body = getattr(node, "body", None)
    for statement in body if isinstance(body, list) else []:
        if (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            yield statement.value


def _paragraphs(docstring: str) -> Iterator[str]:
    """Paragraphs and entries of sections (``Args:``) of a docstring, each on one line."""
    for part in re.split(r"\n\s*\n|\n\s+(?:Args|Returns|Raises|Yields):\n|\n\s+\w+: ", docstring):
        if part.strip():
            yield _flat(part)


LITERAL_OR_COMMENT = re.compile(
    r"""'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\#[^\n]*""", re.DOTALL
)
"""A string literal, whose number signs begin no comment, or a comment. ``tokenize`` takes twenty times longer."""


def _comments(text: str) -> Iterator[Passage]:
    """Comments, with consecutive lines joined."""
    block: list[str] = []
    first = last = 0
    line, counted = 1, 0
    for found in LITERAL_OR_COMMENT.finditer(text):
        if not found[0].startswith("#"):
            continue
        comment = found[0].lstrip("#! ").rstrip()
        if re.match(r"(noqa|type:|pyright:|pragma)", comment):
            continue
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if block and line != last + 1:
            yield Passage(first, _flat(" ".join(block)))
            block = []
        if not block:
            first = line
        block.append(comment)
        last = line
    if block:
        yield Passage(first, _flat(" ".join(block)))


def _markdown(text: str) -> Iterator[Passage]:
    """Paragraphs and table rows outside code and generated tables."""
    block: list[str] = []
    first, fenced, generated = 0, False, False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("<!-- "):
            generated = ":begin" in line
        if line.lstrip().startswith("```"):
            fenced = not fenced
        plain = not fenced and not generated and not line.lstrip().startswith(("```", "|", "<!--")) and line.strip()
        if block and not plain:
            yield Passage(first, _flat(" ".join(block)))
            block = []
        if plain:
            first = first if block else number
            block.append(line)
        elif line.startswith("|") and not fenced and not generated:
            yield from (Passage(number, _flat(cell)) for cell in line.split("|") if cell.strip())


def _flat(text: str) -> str:
    """Text on one line, with code spans replaced."""
    return re.sub(r"``[^`]+``|`[^`]+`", "`x`", " ".join(text.split()))


def findings(path: str, text: str) -> list[Finding]:
    """Every match in the text of a file whose path is relative to the root of the project."""
    found = []
    for passage in passages(Path(path), text):
        for pattern in PATTERNS:
            if pattern.docstrings_only and not passage.docstring:
                continue
            for match in pattern.regex.finditer(passage.text):
                start, end = max(match.start() - 20, 0), match.end() + 20
                found.append(Finding(path, passage.line, pattern, passage.text[start:end]))
    return sorted(found, key=lambda finding: finding.line)


def tracked() -> list[str]:
    """The checked files, relative to the root of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def count() -> dict[str, int]:
    """Findings per file, without files that have none."""
    counts = {name: len(findings(name, (ROOT / name).read_text(encoding="utf-8"))) for name in tracked()}
    return {name: number for name, number in counts.items() if number}


def read_baseline(text: str) -> dict[str, int]:
    """The counts of a baseline: one line per file, ``path count``."""
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: int(number) for name, number in pairs}


def compare(counts: dict[str, int], baseline: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """The files whose count grew, and those whose baseline has to be lowered, each with the present count."""
    grown = {name: number for name, number in counts.items() if number > baseline.get(name, 0)}
    shrunk = {name: counts.get(name, 0) for name, number in baseline.items() if counts.get(name, 0) < number}
    return grown, shrunk


def lowered(counts: dict[str, int], baseline: dict[str, int]) -> str:
    """The text of the baseline after improvements. Counts never grow here."""
    fresh = {name: min(number, counts.get(name, 0)) for name, number in baseline.items()}
    lines = [f"{name} {number}" for name, number in sorted(fresh.items()) if number]
    return "\n".join(["# Findings of scripts/prose.py per file. They may only shrink.", *lines, ""])


def main(arguments: list[str]) -> int:
    """Check, list or update. Returns the exit status."""
    files = [Path(name).resolve().relative_to(ROOT).as_posix() for name in arguments if not name.startswith("-")]
    if files:
        for name in files:
            for finding in findings(name, (ROOT / name).read_text(encoding="utf-8")):
                sys.stdout.write(f"{finding}\n")
        return 0
    baseline = read_baseline(BASELINE.read_text(encoding="utf-8"))
    counts = count()
    grown, shrunk = compare(counts, baseline)
    for name in grown:
        for finding in findings(name, (ROOT / name).read_text(encoding="utf-8")):
            sys.stderr.write(f"{finding}\n")
        sys.stderr.write(f"{name}: {counts[name]} findings, {baseline.get(name, 0)} allowed.\n")
    if "--update" in arguments:
        BASELINE.write_text(lowered(counts, baseline), encoding="utf-8")
    elif shrunk:
        names = ", ".join(shrunk)
        sys.stderr.write(f"The prose of {names} improved. Lower the baseline: python scripts/prose.py --update\n")
        return 1
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
