import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from rtstream.perception.vision import observer as looking
from rtstream.perception.vision.observer import SceneObserver
from rtstream.rules import detection, event_rules
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.states import Outcome

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


def test_the_text_on_screen_is_the_description_row_by_row(reader: Any, screen: Draw) -> None:
    answer = SceneObserver(reader).observe("s", [(100.0, screen(BASE))])
    assert texts(answer) == BASE
    assert answer.text == "\n".join(BASE)
    assert "white" in (answer.changes.colours or [])
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
    assert (same.text, same.changes.repeated) == ("\n".join(BASE), True)

    other = observer.observe("s", [(104.0, screen([BASE[0], "Invoice 4712", *BASE[2:], "Approved by Anna"]))])
    assert (counting.whole, counting.again) == (1, 1)
    assert texts(other) == [BASE[0], "Invoice 4712", *BASE[2:], "Approved by Anna"]
    assert other.changes.appeared == ["Invoice 4712", "Approved by Anna"]
    assert other.changes.disappeared == ["Invoice 4711"]
    assert "4711" not in other.text
    assert (other.changes.first, other.changes.repeated) == (False, False)


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
    assert cut.text == "Thank you"
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


def test_without_a_reader_the_description_says_so(screen: Draw) -> None:
    answer = SceneObserver(None).observe("s", [(1.0, screen(BASE))])
    assert not answer.lines
    assert answer.text.startswith("Text on screen was not read.")
    assert "Main colours: white" in answer.text
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
    lines = [looking.TextLine(f"line {n}", 1.0, (0, n / 200, 1, (n + 1) / 200)) for n in range(200)]
    said = looking.describe(lines, ScreenChanges(cuts=0, frozen=True, still_s=0.0, text_read=True))
    assert said.endswith("line 149\n… and 50 more rows")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (ScreenChanges(frozen=True, still_s=7.0), "There is no text on screen. Nothing moves."),
        (ScreenChanges(motion=0.7), "There is no text on screen. Most of the picture moves."),
        (ScreenChanges(motion=0.4), "There is no text on screen. Much of the picture moves."),
        (ScreenChanges(motion=0.1), "There is no text on screen. A part of the picture moves."),
        (ScreenChanges(motion=0.01), "There is no text on screen."),
        (ScreenChanges(cuts=1), "There is no text on screen."),
        (ScreenChanges(black=True, blank=True, frozen=True), "The picture is black."),
        (ScreenChanges(blank=True, motion=0.0), "The picture is one plain colour."),
    ],
)
def test_a_picture_without_text_is_described_by_what_moves(changes: ScreenChanges, said: str) -> None:
    assert looking.describe([], replace(changes, text_read=True)) == said
    coloured = replace(changes, text_read=True, colours=["white", "blue"])
    colours = "" if changes.black else " Main colours: white, blue."
    assert looking.describe([], coloured) == said + colours


CLOCKED = ["Dashboard", "Queue 17", "Meeting at 14:05"]


def test_a_clock_that_runs_is_no_news_and_one_that_stands_still_is_a_fact(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    first = observer.observe("s", [(100.0, screen([*CLOCKED, "12:04:31"])), (102.0, screen([*CLOCKED, "12:04:33"]))])
    assert first.text == "\n".join(CLOCKED)
    assert texts(first) == [*CLOCKED, "12:04:33"]
    again = observer.observe("s", [(105.0, screen([*CLOCKED, "12:04:36"]))])
    assert (again.text, again.changes.repeated) == (first.text, True)
    assert (again.changes.appeared, again.changes.disappeared) == ([], [])
    lines = [CLOCKED[0], "Queue 18", CLOCKED[2]]
    other = observer.observe("s", [(110.0, screen([*lines, "12:04:41"]))])
    assert other.text == "\n".join(lines)
    assert (other.changes.appeared, other.changes.disappeared) == (["Queue 18"], ["Queue 17"])
    assert other.changes.repeated is False


def test_a_clock_that_one_picture_cannot_tell_from_a_time_is_left_out_from_the_next_window_on(
    reader: Any, screen: Draw
) -> None:
    observer = SceneObserver(reader)
    first = observer.observe("s", [(100.0, screen([*CLOCKED, "12:04:31"]))])
    assert first.text == "\n".join([*CLOCKED, "12:04:31"])
    again = observer.observe("s", [(105.0, screen([*CLOCKED, "12:04:36"]))])
    assert again.text == "\n".join(CLOCKED)
    assert (again.changes.appeared, again.changes.disappeared) == ([], [])


def test_rules_on_text_that_appears_and_disappears_follow_the_screen(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    shown = [["Desk"], ["Desk", "Invoice 4711"], ["Desk", "Invoice 4711"], ["Desk"], ["Desk"]]
    looks = [
        observer.observe("s", [(100.0 + 5 * n, screen([f"12:04:{10 + 5 * n}", *page]))]) for n, page in enumerate(shown)
    ]
    assert [look.changes.repeated for look in looks[2:]] == [True, False, True]
    for form, matched in (("appears", 1), ("disappears", 3)):
        rule = event_rules.from_prompt(f'"Invoice 4711" {form}')
        assert rule is not None
        previously: bool | None = None
        found: list[int] = []
        for number, look in enumerate(looks):
            facts = detection.scene_facts(look.text, texts(look), look.changes)
            seen = detection.observe(rule, facts)
            assert seen is not None
            # An alert that was created just now knows only this scene.
            alone = detection.conclude(rule, seen, detection.last_look(rule, facts))
            assert (alone.outcome == Outcome.MATCH) == (number == matched)
            decision = detection.conclude(rule, seen, previously)
            previously = decision.present
            found += [number] if decision.outcome == Outcome.MATCH else []
        assert found == [matched]


def test_a_screen_is_the_same_while_a_part_of_it_without_text_moves(reader: Any, screen: Draw) -> None:
    observer = SceneObserver(reader)
    first = observer.observe("s", [(100.0, screen(BASE))])
    moving = Image.open(io.BytesIO(screen(BASE)))
    ImageDraw.Draw(moving).ellipse((900, 400, 1200, 700), fill="teal")
    buffer = io.BytesIO()
    moving.save(buffer, "JPEG", quality=85)
    again = observer.observe("s", [(105.0, buffer.getvalue())])
    assert (again.text, again.changes.repeated, again.changes.changed) == (first.text, True, True)
    dark = observer.observe("s", [(110.0, screen([], background="black"))])
    assert (dark.changes.repeated, dark.changes.disappeared) == (False, BASE)
    assert observer.observe("s", [(115.0, screen([], background="black"))]).changes.repeated
