"""The text on a screen, row by row, and without a title that stands twice."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rtstream.rules.screen_layout import same_row, screen_rows


@dataclass(frozen=True)
class Line:
    text: str
    box: tuple[float, float, float, float]
    confidence: float = 0.9


def line(text: str, x: float, y: float, height: float = 0.04, confidence: float = 0.9) -> Line:
    return Line(text, (x, y, x + 0.1, y + height), confidence)


def column(*texts: str, y: float = 0.25) -> list[Line]:
    return [line(text, 0.05, y + 0.06 * number) for number, text in enumerate(texts)]


def test_cells_of_a_row_stand_in_one_row() -> None:
    rows = [("Item", "Qty", "Price"), ("Widget", "4", "12.50"), ("Cable", "4", "12.50")]
    lines = [
        line(cell, 0.1 + 0.2 * n, 0.3 + 0.06 * row) for row, cells in enumerate(rows) for n, cell in enumerate(cells)
    ]
    assert screen_rows(lines, {}) == ["Item | Qty | Price", "Widget | 4 | 12.50", "Cable | 4 | 12.50"]


def test_the_heading_that_repeats_the_title_of_the_window_is_left_out() -> None:
    body = column("Amount due: EUR 1,284.50", "Due date: 2031-03-14")
    assert screen_rows([line("Invoice 4711", 0.1, 0.02), line("Invoice 4711", 0.05, 0.12, 0.1), *body], {}) == [
        "Invoice 4711",
        "Amount due: EUR 1,284.50",
        "Due date: 2031-03-14",
    ]


def test_of_two_readings_of_a_title_the_more_certain_one_is_kept() -> None:
    lines = [line("Slāck", 0.1, 0.02, confidence=0.7), line("Slack", 0.05, 0.12, 0.1, confidence=0.99)]
    assert screen_rows([*lines, *column("# billing")], {}) == ["Slack", "# billing"]


@pytest.mark.parametrize(
    ("title", "heading", "shown"),
    [
        ("Invoice 4711 - Browser", "Invoice 4711", ["Invoice 4711 - Browser"]),
        ("Browser: Invoice 4711", "Invoice 4711", ["Browser: Invoice 4711"]),
        ("Quarterly res…", "Quarterly results", ["Quarterly results"]),
        ("Quarterly res...", "Quarterly results", ["Quarterly results"]),
        ("Invoice 4711 - Browser", "Invoice 47", ["Invoice 4711 - Browser", "Invoice 47"]),
        ("Invoice 4711", "Invoice 4711 of Northwind", ["Invoice 4711", "Invoice 4711 of Northwind"]),
        ("Report", "Results", ["Report", "Results"]),
        ("May", "May", ["May", "May"]),
    ],
)
def test_a_part_of_a_title_and_a_title_that_is_cut_off_say_nothing_new(
    title: str, heading: str, shown: list[str]
) -> None:
    lines = [line(title, 0.1, 0.02), line(heading, 0.05, 0.12, 0.1)]
    assert screen_rows([*lines, *column("Text")], {}) == [*shown, "Text"]


def test_equal_values_and_the_names_in_a_conversation_are_kept() -> None:
    chat = ["Ben Stone", "Can you pay?", "Anna Novak", "Yes", "Ben Stone", "Thanks"]
    assert screen_rows([line("Anna Novak", 0.1, 0.02), *column(*chat)], {}) == ["Anna Novak", *chat]
    tabs = [line("All", 0.1, 0.05), line("Open", 0.3, 0.05), line("Paid", 0.5, 0.05)]
    cells = [line(cell, 0.1 + 0.2 * n, 0.3) for n, cell in enumerate(("4711", "Northwind", "Open"))]
    assert screen_rows([*tabs, *cells], {}) == ["All | Open | Paid", "4711 | Northwind | Open"]
    assert screen_rows(column("Total", "12", "12", "Total"), {}) == ["Total", "12", "12", "Total"]


def test_running_clocks_and_lines_without_letters_are_left_out() -> None:
    lines = [line("Desk", 0.1, 0.02), line("14:05:07", 0.8, 0.02), line("—", 0.1, 0.2), *column("Uptime 03:12:45")]
    assert screen_rows(lines, {1: frozenset({0}), 3: frozenset({0})}) == ["Desk", "Uptime"]
    assert screen_rows(lines, {}) == ["Desk | 14:05:07", "Uptime 03:12:45"]
    assert screen_rows([], {}) == []


def test_boxes_are_in_a_row_if_they_overlap_by_half_of_the_lower_one() -> None:
    assert same_row((0, 0.1, 0.2, 0.2), (0.5, 0.14, 0.7, 0.2))
    assert not same_row((0, 0.1, 0.2, 0.2), (0.5, 0.16, 0.7, 0.26))
