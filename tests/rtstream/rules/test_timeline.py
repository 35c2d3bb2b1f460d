"""Stored results, merged to screens, turns, alerts and interruptions."""

from __future__ import annotations

import json

from rtstream.rules.timeline import (
    Firing,
    SceneWindow,
    ScreenLane,
    SpeechLane,
    StateChange,
    TimedText,
    TimelineItem,
    firings,
    interruptions,
    set_edges,
    summaries,
)
from rtstream.rules.timeline_folding import shorten

START = 1000.0


def window(number: int, *lines: str, **fields: object) -> SceneWindow:
    """A window of 5 s by the built-in reader, whose last picture is taken 1 s before its end."""
    start = START + 5 * number
    read: dict[str, object] = {"lines": json.dumps(lines) if lines else None, "read": True, "last_frame": start + 4}
    return SceneWindow(number, start, start + 5, "Nothing moved.", **{**read, **fields})  # pyright: ignore[reportArgumentType]


def screens(*windows: SceneWindow, end: float = START + 500) -> list[TimelineItem]:
    lane = ScreenLane("rts-1", "idx-1", START, end, shorten)
    for one in windows:
        lane.add(one)
    return lane.finish()


def test_a_page_that_stays_is_one_item_and_one_that_comes_back_is_another() -> None:
    agenda, budget = ["Agenda", "Budget, hiring, questions"], ["Budget", "1,284 kEUR for the year"]
    shown = [agenda, agenda, budget, budget, budget, agenda]
    found = screens(*(window(number, *lines) for number, lines in enumerate(shown)), end=START + 30)
    assert [(item.text, item.results) for item in found] == [
        ("Agenda / Budget, hiring, questions", 2),
        ("Budget / 1,284 kEUR for the year", 3),
        ("Agenda / Budget, hiring, questions", 1),
    ]
    assert [(item.start, item.end) for item in found] == [(1000.0, 1009.0), (1010.0, 1024.0), (1025.0, 1029.0)]
    assert [(item.after, item.seen, item.gone) for item in found] == [
        (None, 1004.0, 1014.0),
        (1009.0, 1014.0, 1029.0),
        (1024.0, 1029.0, None),
    ]
    assert [item.already_there for item in found] == [True, False, False]
    assert [item.still_there for item in found] == [False, False, True]


def test_edges_that_are_found_in_the_footage_are_those_of_both_screens() -> None:
    found = screens(window(0, "one one"), window(1, "two two"), window(2, "three"))
    set_edges(found, {1: 1007.24})
    assert [(item.start, item.end) for item in found[:2]] == [(1000.0, 1007.24), (1007.24, 1010.0)]
    assert [(item.start_within_s, item.end_within_s) for item in found[:2]] == [(4.0, 0.0), (0.0, 4.0)]
    assert [item.at for item in found] == [1000.0, 1005.0, 1010.0]


def test_lines_that_appear_on_a_page_are_noted_and_a_page_that_scrolls_becomes_another() -> None:
    log = [f"{number} a line of some length in a log" for number in range(100, 160)]
    found = screens(*(window(number, *log[number : number + 20]) for number in range(40)))
    assert 2 <= len(found) < 8
    assert found[0].later[0].text == log[20]
    assert sum(item.results for item in found) == 40


def test_a_page_that_the_reader_overlooks_in_part_stays_the_same() -> None:
    page = ["The title of the page", "a first point", "a second point", "a third point"]
    assert len(screens(window(0, *page), window(1, *page[:3]), window(2, *page))) == 1


def test_the_same_page_before_and_after_a_long_gap_is_two_items() -> None:
    found = screens(window(0, "Agenda"), window(3, "Agenda"), window(30, "Agenda"))
    assert [item.results for item in found] == [2, 1]


def test_black_blank_and_textless_pictures_are_told_apart() -> None:
    found = screens(window(0, plain="black"), window(1, plain="black"), window(2), window(3, plain="blank"))
    assert [item.text for item in found] == [
        "The picture is black.",
        "There is no text on screen.",
        "The picture is one plain colour.",
    ]


def test_windows_that_failed_are_counted_and_those_of_a_model_are_compared_by_words() -> None:
    lane = ScreenLane("rts-1", "idx-1", START, START + 500, shorten)
    told = ["A man sits at a desk.", "A man is sitting at a desk.", "", "Two men sit at a desk."]
    for number, text in enumerate(told):
        lane.add(SceneWindow(number, START + 5 * number, START + 5 * number + 5, text or "refused", failed=not text))
    assert [(item.text, item.results) for item in lane.finish()] == [(told[0], 2), (told[3], 1)]
    assert lane.failures == [TimedText(1010.0, 1015.0, "refused")]
    assert lane.covered == [(1000.0, 1020.0)]


def test_windows_marked_as_unchanged_belong_to_the_screen_before() -> None:
    found = screens(window(0, "Agenda"), window(1, unchanged=True), window(2, unchanged=True))
    assert [item.results for item in found] == [3]


def test_sentences_are_turns_until_a_pause_another_speaker_or_a_length() -> None:
    lane = SpeechLane("rts-1", "local", shorten)
    said = [
        (0.0, 2.0, "We met.", "A"),
        (2.5, 4.0, "It was good.", "A"),
        (2.5, 4.2, "It was good.", "A"),
        (4.3, 5.0, "No.", "B"),
        (9.0, 10.0, "Well.", "B"),
        (10.1, 11.0, "x" * 590, "B"),
        (11.1, 12.0, "That was long.", "B"),
    ]
    for number, (start, end, text, speaker) in enumerate(said):
        lane.add(number, TimedText(start, end, text), speaker)
    found = lane.finish()
    assert [(item.text[:20], item.results) for item in found] == [
        ("We met. It was good.", 3),
        ("No.", 1),
        ("Well. " + "x" * 14, 2),
        ("That was long.", 1),
    ]
    assert [(item.start, item.end, item.number) for item in found[:2]] == [(0.0, 4.2, 0), (4.3, 5.0, 3)]


def test_a_long_lane_is_shortened_without_losing_a_result() -> None:
    lane = SpeechLane("rts-1", "local", shorten)
    for number in range(4500):
        lane.add(number, TimedText(10.0 * number, 10.0 * number + 1, f"Sentence {number}."))
    found = lane.finish()
    assert len(found) <= 4000
    assert sum(item.results for item in found) == sum(item.items for item in found) == 4500


def test_firings_in_quick_succession_are_one_item() -> None:
    times = [0.0, 10.0, 20.0, 100.0]
    found = firings(
        [Firing(n, "rts-1", "alt-1", "door", TimedText(at, at + 5, "open"), 0.7 + n / 10) for n, at in enumerate(times)]
    )
    assert [(item.start, item.end, item.results, item.confidence) for item in found] == [
        (0.0, 25.0, 3, 0.7 + 2 / 10),
        (100.0, 105.0, 1, 1.0),
    ]


def test_equal_summaries_in_a_row_are_one_item() -> None:
    texts = [(1, TimedText(0, 10, "Budget.")), (2, TimedText(10, 20, "Budget.")), (3, TimedText(20, 30, "Hiring."))]
    found = summaries("rts-1", "idx-2", texts, [])
    assert [(item.text, item.start, item.end, item.results) for item in found] == [
        ("Budget.", 0, 20, 2),
        ("Hiring.", 20, 30, 1),
    ]


def test_times_without_a_connection_are_items_with_their_reason() -> None:
    changes = [
        StateChange(1, 0.0, "reconnecting", "The source does not respond."),
        StateChange(2, 120.0, "connected", ""),
        StateChange(3, 150.0, "reconnecting", "The source does not respond."),
        StateChange(4, 160.0, "reconnecting", "The login was refused."),
        StateChange(5, 170.0, "connected", ""),
        StateChange(6, 190.0, "stopped", ""),
    ]
    found = interruptions("rts-1", changes, 100.0, 200.0)
    assert [(item.label, item.start, item.end, item.already_there, item.still_there) for item in found] == [
        ("reconnecting", 100.0, 120.0, True, False),
        ("reconnecting", 150.0, 170.0, False, False),
        ("stopped", 190.0, 200.0, False, True),
    ]
