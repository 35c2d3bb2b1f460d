from collections.abc import Callable
from typing import Any

import pytest

from rtstream.perception.vision import observer as looking
from rtstream.perception.vision.observer import SceneObserver
from rtstream.rules.screen_changes import ScreenChanges

Draw = Callable[..., bytes]
BASE = ["Quarterly results", "Invoice 4711", "Total 12.50 EUR", "Due 2026-05-01"]


def texts(answer: Any) -> list[str]:
    return [line.text for line in answer.lines]


class CountingReader:
    """The real reader, counting how often it reads."""

    def __init__(self, reader: Any) -> None:
        self.reader, self.whole, self.again = reader, 0, 0

    def read(self, picture: Any) -> Any:
        self.whole += 1
        return self.reader.read(picture)

    def read_again(self, picture: Any, known: Any, changed: Any) -> Any:
        self.again += 1
        return self.reader.read_again(picture, known, changed)


def test_the_text_on_screen_is_quoted_in_reading_order(reader: Any, screen: Draw) -> None:
    answer = SceneObserver(reader).observe("s", [(100.0, screen(BASE))])
    assert texts(answer) == BASE
    assert "Text on screen: “Quarterly results”; “Invoice 4711”; “Total 12.50 EUR”" in answer.text
    assert "Main colours: white" in answer.text
    assert answer.model == "local"
    assert answer.changes.first
    assert (answer.changes.appeared, answer.changes.disappeared) == ([], [])
    left, top, right, bottom = answer.lines[1].box
    assert 0.03 < left < right < 0.3
    assert 0.1 < top < bottom < 0.2


def test_only_what_changed_is_read_again(reader: Any, screen: Draw) -> None:
    counting = CountingReader(reader)
    observer = SceneObserver(counting)  # pyright: ignore[reportArgumentType]
    observer.observe("s", [(100.0, screen(BASE))])
    same = observer.observe("s", [(102.0, screen(BASE)), (103.0, screen(BASE))])
    assert (counting.whole, counting.again) == (1, 0)
    assert texts(same) == BASE
    assert (same.changes.changed, same.changes.frozen, same.changes.still_s) == (False, True, 3.0)
    assert "Nothing moved for 3 s." in same.text

    other = observer.observe("s", [(104.0, screen([BASE[0], "Invoice 4712", *BASE[2:], "Approved by Anna"]))])
    assert (counting.whole, counting.again) == (1, 1)
    assert texts(other) == [BASE[0], "Invoice 4712", *BASE[2:], "Approved by Anna"]
    assert other.changes.appeared == ["Invoice 4712", "Approved by Anna"]
    assert other.changes.disappeared == ["Invoice 4711"]
    assert "New since the previous look: “Invoice 4712”; “Approved by Anna”." in other.text
    assert "Gone since the previous look: “Invoice 4711”." in other.text


def test_a_growing_line_is_read_as_one(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    observer.observe("s", [(1.0, screen(["Please wait", "Invoice 47"]))])
    grown = observer.observe("s", [(2.0, screen(["Please wait", "Invoice 4711 paid"]))])
    assert texts(grown) == ["Please wait", "Invoice 4711 paid"]


def test_a_cut_is_read_as_a_whole(reader: Any, screen: Draw) -> None:
    counting = CountingReader(reader)
    observer = SceneObserver(counting)  # pyright: ignore[reportArgumentType]
    observer.observe("s", [(1.0, screen(BASE))])
    cut = observer.observe("s", [(2.0, screen(["Thank you"], background="navy", ink="white"))])
    assert (counting.whole, counting.again) == (2, 0)
    assert texts(cut) == ["Thank you"]
    assert cut.changes.cut
    assert "There was a cut to another picture." in cut.text
    assert cut.changes.disappeared == BASE


def test_streams_do_not_see_each_other(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    observer.observe("one", [(1.0, screen(["Alpha"]))])
    assert observer.observe("other", [(1.0, screen(["Alpha"]))]).changes.first
    assert not observer.observe("one", [(2.0, screen(["Alpha"]))]).changes.first


def test_a_black_picture_and_a_blank_one_say_so(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    black = observer.observe("s", [(1.0, screen([], background="black"))])
    assert black.text.startswith("The picture is black.")
    assert black.changes.black
    blank = observer.observe("s", [(2.0, screen([], background="white"))])
    assert blank.text.startswith("The picture is one plain colour.")


def test_without_a_reader_the_description_says_what_it_takes(screen: Draw) -> None:
    answer = SceneObserver(None).observe("s", [(1.0, screen(BASE))])
    assert not answer.lines
    assert 'pip install "rtstream-mcp[local]"' in answer.text
    assert answer.changes.text_read is False


def test_remembered_sessions_are_bounded(screen: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MAX_SESSIONS", 2)
    observer = SceneObserver(None)
    picture = screen([])
    for session in ("a", "b", "a", "c"):
        observer.observe(session, [(1.0, picture)])
    assert not observer.observe("a", [(2.0, picture)]).changes.first
    assert observer.observe("b", [(2.0, picture)]).changes.first


def test_hidden_characters_and_endless_lines_are_bounded_in_the_description() -> None:
    lines = [looking.TextLine(f"line {n}", 1.0, (0, 0, 1, 1)) for n in range(200)]
    said = looking.describe(lines, ScreenChanges(cuts=0, frozen=True, still_s=0.0, text_read=True))
    assert "and 140 more lines" in said
