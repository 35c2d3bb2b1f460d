from __future__ import annotations

import pytest

from rtstream.rules.event_media import (
    NO_PICTURE_HERE,
    NO_SPEECH_HERE,
    NOT_MEASURED,
    NOT_READ,
    ONLY_SPEECH,
    IndexKind,
    medium_of,
    obstacle,
)
from rtstream.rules.event_rules import rule_for_event

SCENES, SPEECH = IndexKind(audio=False, measured=True), IndexKind(audio=True)


@pytest.mark.parametrize(
    "prompt",
    [
        '"action items" is said',
        "“budget” is mentioned by anyone",
        'someone says "next slide"',
        'the speaker on the screen says "thank you"',
        'the customer asks for "a refund"',
        '"Berlin" is heard',
        'I hear "help"',
        'tell me when the speaker mentions "the slide"',
        'the word "urgent" is spoken',
        '"STOP" is shouted',
        'the text "Hello" is read aloud',
        "someone promises a delivery date",
        "the presenter talks about the budget",
        "people discuss the price",
        "a guest at the table mentions a date",
        "speech starts",
        '"fire alarm" is heard',
        "«Achtung» wird gesagt, that is, someone says it",
        "jemand sagt „Budget“",
        "quelqu'un dit « budget »",
        "alguien menciona «presupuesto»",
    ],
)
def test_what_is_said_needs_audio(prompt: str) -> None:
    assert medium_of(prompt, None) == "audio"


@pytest.mark.parametrize(
    "prompt",
    [
        '"action items" is on the screen',
        'a sign says "Closed"',
        'a person walks past a sign that says "Exit"',
        'the dialog asks for "a password"',
        '"budget" is mentioned on the slide',
        'the display reads "42"',
        'it says "Build failed"',
        '"Invoice 4711" is visible',
        'a man holds a banner saying "Strike"',
        'a woman in a shirt that says "Staff"',
        "the picture is black",
        "the screen shows an error",
        "„Rechnung“ ist auf dem Bildschirm zu sehen",
        "« facture » est affichée",
        "«factura» se ve en la pantalla",
    ],
)
def test_what_is_seen_needs_video(prompt: str) -> None:
    assert medium_of(prompt, None) == "video"


@pytest.mark.parametrize(
    "prompt",
    [
        '"Invoice 4711" appears',
        '"Rechnung 4711"',
        "jemand auf dem Bildschirm sagt „Budget“",
        'tell me when "Invoice" appears',
        '"budget" is said or shown',
        'let me know if "budget" is visible on the screen or someone mentions it and it is heard',
        "a red car stops at the gate",
        "the stream is lost",
    ],
)
def test_an_event_without_a_hint_may_be_seen_or_said(prompt: str) -> None:
    assert medium_of(prompt, None) == "any"


@pytest.mark.parametrize("prompt", ["a siren is heard", "a dog barks and it is loud", "the sound of breaking glass"])
def test_noises_are_neither_seen_nor_said(prompt: str) -> None:
    assert medium_of(prompt, None) == "noise"


def test_the_prompt_beside_a_structured_rule_decides_where_its_text_is_searched() -> None:
    assert medium_of("someone says it", {"text": "budget"}) == "audio"
    assert medium_of("it is on the screen", {"regex": "budget"}) == "video"
    assert medium_of("a sentence is spoken", {"picture": "black"}) == "video"
    assert medium_of("whatever is on the screen", {"speech": "started"}) == "audio"


@pytest.mark.parametrize(
    ("prompt", "index", "reason"),
    [
        ('"budget" is said', SCENES, NO_SPEECH_HERE),
        ('"budget" is said', SPEECH, ""),
        ('"budget" is shown', SPEECH, NO_PICTURE_HERE),
        ('"budget" is shown', SCENES, ""),
        ('"budget" appears', SPEECH, ""),
        ('"budget" appears', SCENES, ""),
        ("a siren is heard", SPEECH, ONLY_SPEECH),
        ("the stream is lost", SPEECH, ""),
        ("the stream is lost", SCENES, ""),
        ("speech stops", SCENES, NO_SPEECH_HERE),
        ("the picture is black", SPEECH, NO_PICTURE_HERE),
        ("the picture is black", IndexKind(audio=False), NOT_MEASURED),
        ('"budget" is shown', IndexKind(audio=False, measured=True, reads_text=False), NOT_READ),
        ("a red car is parked", SCENES, ""),
    ],
)
def test_an_index_tells_why_it_cannot_decide_an_event(prompt: str, index: IndexKind, reason: str) -> None:
    assert obstacle(medium_of(prompt, None), rule_for_event(prompt, None), index) == reason
