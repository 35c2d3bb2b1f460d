"""Any text of a user becomes a query."""

from __future__ import annotations

import sqlite3
import string
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.errors import InvalidRequest
from rtstream.rules.query import MAX_TERMS, Term, parse


def test_words_are_looked_up_without_those_that_say_nothing() -> None:
    assert [term.words for term in parse("When did anyone mention the Budget?").terms] == [("mention",), ("budget",)]


def test_a_query_of_empty_words_only_is_looked_up_as_it_is() -> None:
    assert [term.words for term in parse("who is it").terms] == [("who",), ("is",), ("it",)]


def test_what_is_written_together_is_looked_up_together() -> None:
    assert parse("INV-4711 report_v2.xlsx").terms == (Term(("inv", "4711")), Term(("report", "v2", "xlsx")))


def test_a_quoted_phrase_is_required_and_a_star_goes_on() -> None:
    query = parse('"to be" budg* “Acme GmbH”')
    assert query.required == (Term(("to", "be")), Term(("acme", "gmbh")))
    assert query.terms == (*query.required, Term(("budg",), prefix=True))
    assert query.text == "to be budg Acme GmbH"


def test_an_open_quotation_mark_is_no_quotation() -> None:
    assert parse('6" pipe').required == ()


@pytest.mark.parametrize("text", ["", "   ", '""', "🎥", "?!*", '"***"', "___"])
def test_a_query_without_words_gets_a_sentence(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no word or number"):
        parse(text)


@given(
    st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\"*()^:-+{}'ANDORNOT ä日🎥")))
)
def test_any_text_gives_expressions_that_the_word_index_takes(text: str) -> None:
    try:
        query = parse(text)
    except InvalidRequest:
        return
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
        for term in query.terms:
            assert db.execute("SELECT rowid FROM words WHERE words MATCH ?", (term.match,)).fetchall() == []


@given(st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12), min_size=1))
def test_every_word_of_a_text_finds_that_text(words: list[str]) -> None:
    text = " ".join(words)
    query = parse(text)
    assert len(query.terms) <= MAX_TERMS
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
        db.execute("INSERT INTO words VALUES (?)", (text,))
        for term in query.terms:
            assert db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (term.match,)).fetchone() == (1,)
