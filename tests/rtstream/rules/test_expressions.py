"""Regular expressions match in linear time, and quote the line of the match."""

from __future__ import annotations

import time

from rtstream.rules import expressions
from rtstream.rules.detection import (
    Expression,
    Facts,
    Rule,
)
from tests.rtstream.rules.test_detection import said


def test_a_regular_expression_quotes_the_line_it_found() -> None:
    rule = Rule((Expression(r"ERR-\d{3}\b"),))
    assert said(rule, Facts(["all well", "at 9:15 ERR-404 in pump\u202e 2", "x"])) == (
        "match",
        r"/ERR-\d{3}\b/ was found in the line: at 9:15 ERR-404 in pump 2.",
    )
    assert said(rule, Facts(["ERR-40", "4"]))[0] == "no_match"


def test_no_pattern_takes_long_on_any_text() -> None:
    began = time.perf_counter()
    for pattern in ("(a+)+$", "(x+x+)+y", "(?:a|ab|abc|b){300}x", "(.*)*c"):
        assert expressions.find(pattern, "a" * 19_000 + "b") is None
    assert time.perf_counter() - began < 3
