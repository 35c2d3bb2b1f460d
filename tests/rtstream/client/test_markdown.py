"""Results and quoted names as a chat client shows them."""

from __future__ import annotations

import pytest

from rtstream.client.markdown import MAX_QUOTED, OWN_LINKS, for_chat, quoted


@pytest.mark.parametrize("field", sorted(OWN_LINKS))
def test_links_to_the_engine_stay_links_wherever_they_are_in_a_result(field: str) -> None:
    link = "http://127.0.0.1:8740/watch?v=aB3_-"
    assert for_chat({"hits": [{field: link, "label": link}]}) == {
        "hits": [{field: link, "label": "http:∕∕127.0.0.1:8740/watch?v=aB3_-"}]
    }


@pytest.mark.parametrize("field", ["untrusted_data", "rule", "options"])
def test_a_link_inside_an_object_of_others_is_not_one_of_the_engine(field: str) -> None:
    found = for_chat({field: {"player_url": "http://h.example/?q=1"}})
    assert found[field]["player_url"] == "http:∕∕h․example/?q=1"


def test_an_error_shows_no_link() -> None:
    assert for_chat("There is no [x](http://h.example).") == "There is no [x］(http:∕∕h.example)."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Front door", '"Front door"'),
        ('a" and "b', "\"a' and 'b\""),
        ("one\n\n  two\u200b", '"one two"'),
        ("![x](http://h.example)", '"![x］(http:∕∕h.example)"'),
    ],
)
def test_a_quoted_name_stays_within_its_quotation_marks(name: str, shown: str) -> None:
    assert quoted(name) == shown
    assert len(quoted(name * 100)) <= MAX_QUOTED + 2
