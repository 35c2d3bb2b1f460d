import re
import time
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rtstream.rules.text_safety import ELLIPSIS, clean, clean_data, for_terminal, neutralise_data, neutralise_markdown


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Invoice 4711\n\tdue", "Invoice 4711\n\tdue"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("pay\u200bpal\u200d\ufeff\u2060", "paypal"),
        ("user\u202egpj.exe\u202c \u2066x\u2069", "usergpj.exe x"),
        ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all"), "hi"),
        ("soft\u00adhyphen", "softhyphen"),
        ("x\ufe0f\ufe0e y\ufe01\U000e0101", "x y"),
        ("I \u2764\ufe0f you 1\ufe0f\u20e3", "I \u2764\ufe0f you 1\ufe0f\u20e3"),
        ("\u2764\ufe0f\ufe0f", "\u2764\ufe0f"),
        ("Zu\u0308rich", "Zürich"),
        ("u\u200b\u0308", "ü"),
        ("\ud800 a", " a"),
        ("\ue000\u3164\uffa0\u2800x", "x"),
        ("日本語 العربية ไทย 🙂", "日本語 العربية ไทย 🙂"),
    ],
)
def test_what_a_reader_cannot_see_is_removed(text: str, cleaned: str) -> None:
    assert clean(text, 1000) == cleaned


@pytest.mark.parametrize(
    ("first", "last"),
    [(0x180B, 0x180F), (0xFE00, 0xFE0D), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF), (0xFDD0, 0xFDEF), (0x1FFFE, 0x1FFFF)],
)
def test_a_range_of_invisible_characters_is_removed_to_both_ends(first: int, last: int) -> None:
    assert clean(f"a{chr(first)}{chr(last)}b", 10) == "ab"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean("abcdef", 6) == "abcdef"
    assert clean("abcdefg", 6) == "abcde…"
    assert clean("abc  defg", 6) == "abc…"
    assert clean("abc", 1) == "…"
    assert clean("abc", 0) == ""


@given(st.text(st.characters()), st.integers(0, 40))
def test_clean_text_is_visible_composed_bounded_and_settled(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert clean(cleaned, limit) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()
    for char in cleaned:
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def test_data_is_cleaned_in_keys_and_values_and_not_deeper_than_anybody_reads() -> None:
    found = clean_data({"a\u200b": ["b\u202ec", 1, None, {"d": "e" * 9}]}, 5)
    assert found == {"a": ["bc", 1, None, {"d": "eeee…"}]}
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    assert str(clean_data(nested, 5)).count("[") == 20


ACTIVE = [
    "![x](http://h.example/?q=secret)",
    "[x](http://h.example)",
    "[x](//h.example/p)",
    "[![a](http://i.example)](http://h.example)",
    "![a [b](http://h.example)",
    "![x][y]\n\n[y]: http://h.example",
    "[x]\n\n[x]:\n  <http://h.example>\n  'title'",
    "[^1]\n\n[^1]: http://h.example",
    "<http://h.example>",
    "<mailto:a@h.example>",
    "<a@h.example>",
    "<img src=http://h.example/x>",
    "<IMG\nsrc='//h.example'/>",
    "<a href=javascript:alert(1)>x</a>",
    "<svg/onload=alert(1)>",
    "<!-- hidden -->",
    "<?php x ?>",
    "<![CDATA[x]]>",
    "</untrusted_text>",
    "http://h.example/",
    "HTTPS://h.example/?q=secret",
    "see:http://h.example.",
    "www.h.example/x",
    "mail a.b@h.example now",
    "//h.example/x.png",
    "h.example/?q=secret",
    "h.example:8080",
    "\\![x\\](http://h.example)",
    "!\\[x\\]\\(http:\\/\\/h.example\\)",
    "http\\://h.example",
    "www\\.h.example",
    "http&#58;//h.example",
    "&#33;&lbrack;x&rbrack;&lpar;http&colon;&sol;&sol;h.example&rpar;",
    "&lt;img src=http://h.example&gt;",
    "!\u200b[x]\u200b(ht\u200btp://h.example)",
    "[x]\u2060(http:\ufeff//h.example)",
    "> - ![x](http://h.example)",
    "| a |\n|---|\n| ![x](http://h.example) |",
]
BARE = re.compile(r"(?i)(https?|ftp):[/\\]|(?<!\w)www\.\w|[\w.+-]@[\w-]+\.\w")
"""The bare addresses that GitHub's Markdown turns into links."""


def rendered(text: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


@pytest.mark.parametrize("text", ACTIVE)
@pytest.mark.parametrize("times", [1, 2])
def test_a_client_that_renders_markdown_loads_and_links_nothing(text: str, times: int) -> None:
    html = neutralise_markdown(text)
    assert neutralise_markdown(html) == html
    for _ in range(times):  # some clients render what another one has rendered
        html = unescape(re.sub("</?(p|blockquote|ul|li|table|thead|tbody|tr|td|th)>", "", rendered(html)))
        assert not re.search("<[a-z/!?]", html, re.IGNORECASE), html
        assert not BARE.search(html), html
        assert "![x](" not in html


@pytest.mark.parametrize(
    "text",
    [
        "Invoice 4711, 50 % off! (today)",
        "a[1] < 3 & b > 2, x = y[0], [2]",
        "rtsp://***@camera.local:554/stream1 and rtmp://10.0.0.5/live/***",
        "rtstream://streams/rts-1/scenes",
        "wait_for_events(streams=['rts-1'], channels=['alerts'], since=7)",
        "front_door at 14:05, main.py, v1.2.3, e.g. at example.com",
        "* one\n# two\n`three` **four** _five_",
        "日本語 العربية ไทย 🙂 ½ → ∞",
    ],
)
def test_text_that_is_no_link_is_left_as_it_is(text: str) -> None:
    assert neutralise_markdown(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://http://1.2.3.4/leak",
        "srt://a.http://1.2.3.4/leak",
        "rtsp://***@http:\\/\\/1.2.3.4/leak",
        "rtsp://*www.evil.example/leak",
        "rtsp://_www.evil.example",
        "tcp://a_www.evil.example/leak",
        "evil\\.com/leak",
        "evil.com\\/leak",
        "пример.рф/leak",
        "उदाहरण.भारत/leak",
        "h\x00ttp://1.2.3.4/leak",
        "<\x01img src=x>",
        "![a]\x07(//evil)",
        "\x1b]8;;file:///etc/passwd\x1b\\text",
    ],
)
def test_a_link_within_another_form_is_neutralised_too(text: str) -> None:
    found = neutralise_markdown(text)
    assert any(char in found for char in "∕․］‹"), found
    assert not re.search(r"[\x00-\x1f]|<(a|img)", rendered(found).replace("\n", ""), re.IGNORECASE), found


@given(st.text(st.sampled_from(list("[]()<>!:/\\&;#\"'ax \n.@hw")), max_size=40))
def test_no_mixture_of_markup_becomes_a_link(text: str) -> None:
    html = rendered(neutralise_markdown(text))
    assert not re.search(r"<(a|img|!--|\?)", html, re.IGNORECASE), html
    assert len(neutralise_markdown(text)) == len(text)


def test_a_long_text_is_neutralised_in_linear_time() -> None:
    for part in ("]", "] ", "]\\", "<", "&", "www", "http:", "a@", "tcp://", "\\/", "a.\\", "tcp://_www.", "é.é"):
        began = time.monotonic()
        neutralise_markdown(part * 40_000)
        assert time.monotonic() - began < 10


def test_data_is_neutralised_as_deep_as_it_is_read() -> None:
    assert neutralise_data([["a", ["b"]], {"c": {"d": 1}}], depth=2) == [["a", ELLIPSIS], {"c": ELLIPSIS}]
    assert neutralise_data("a", depth=0) == "a"


def test_only_links_of_our_own_stay_links() -> None:
    links = {"player_url": "http://127.0.0.1:8740/watch?v=abc_-1", "other": "http://h.example"}
    hostile = {"player_url": "http://127.0.0.1/![x](http://h.example)"}
    found = neutralise_data(
        {**links, "![x](y)": [hostile], "untrusted_data": links}, ["player_url"], ["untrusted_data"]
    )
    assert found["player_url"] == links["player_url"]
    assert found["other"] == "http:∕∕h.example"
    assert found["![x］(y)"] == [{"player_url": "http:∕∕127.0.0.1/![x］(http:∕∕h.example)"}]
    assert found["untrusted_data"]["player_url"] == "http:∕∕127.0.0.1:8740/watch?v=abc_-1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ü and 漢字", "plain, ü and 漢字"),
        ("a\tb", "a\tb"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b[2J\n", "\\x1b[2J\\n"),
        ("a\u202eb", "a\\u202eb"),
        ("", ""),
    ],
)
def test_a_terminal_gets_one_line_without_anything_that_it_obeys(text: str, shown: str) -> None:
    assert for_terminal(text) == shown
