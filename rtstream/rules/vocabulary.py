"""Corrects a transcript by the names and terms of its stream, and by the words on the screen at that moment.

A term replaces the words that were heard in its place: the same letters with other spaces or capitals ("pg vector" is
"pgvector"), or a near miss by sound of a word of at least six letters (see ``sounds``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rtstream.json_types import JsonObject
from rtstream.rules import speech_text
from rtstream.rules.numerals import SpokenToken
from rtstream.rules.sounds import Sounds

MAX_TERMS = 200
MAX_TERM = 60  # characters
MAX_SCREEN_WORDS = 400
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")


@dataclass(frozen=True)
class Replacement:
    """A part of a text that a term replaces.

    Attributes:
        start: Position of its first character.
        end: Position after its last character.
        term: The term, as it is to be written.
        distance: Distance by sound, from 0 for the same letters.
    """

    start: int
    end: int
    term: str
    distance: float


def checked_terms(given: Sequence[str]) -> list[str]:
    """Return the terms of a vocabulary, each once and without needless spaces.

    Raises:
        ValueError: There are too many, or one is too long or has no letter. The message is one sentence for the user.
    """
    terms = list(dict.fromkeys(" ".join(term.split()) for term in given if term.strip()))
    if len(terms) > MAX_TERMS:
        raise ValueError(f"A vocabulary has at most {MAX_TERMS} terms.")
    for term in terms:
        if len(term) > MAX_TERM or not any(char.isalpha() for char in term):
            raise ValueError(f"A term of a vocabulary has at least one letter and at most {MAX_TERM} characters.")
    return terms


def screen_words(lines: Iterable[str]) -> list[str]:
    """Return the words of lines on the screen that may correct a transcript, the first ones of ``lines`` first."""
    found: dict[str, str] = {}
    for line in lines:
        for word in _WORD.findall(line):
            key = word.casefold()
            # In capitals, a word may be of any kind. Another line shows how it is written.
            if len(word) >= speech_text.NEAR_LETTERS and (key not in found or found[key].isupper()):
                found[key] = word
        if len(found) >= MAX_SCREEN_WORDS:
            break
    return list(found.values())


def replacements(text: str, terms: Sequence[str], seen: Sequence[str], sounds: Sounds) -> list[Replacement]:
    """Return the parts of a text that are corrected, in order and without overlaps.

    Args:
        text: A sentence of a transcript.
        terms: The vocabulary of the stream.
        seen: Words on the screen. They are used after the vocabulary, and change no capitals.
        sounds: Compares words by their sound.
    """
    tokens = speech_text.tokenise(text)
    said = {token.text for token in tokens}
    found: list[Replacement] = []
    for term in terms:
        found += _places(text, tokens, term, sounds)
    for word in seen:
        if speech_text.phrase_tokens(word)[0].text not in said:
            found += [
                Replacement(one.start, one.end, _like(word, text[one.start : one.end]), one.distance)
                for one in _places(text, tokens, word, sounds)
            ]
    chosen: list[Replacement] = []
    # Of those that overlap, the most certain one counts, and the longest of several such.
    for one in sorted(found, key=lambda one: (one.distance, one.start - one.end)):
        if all(one.end <= other.start or one.start >= other.end for other in chosen):
            chosen.append(one)
    return sorted((one for one in chosen if text[one.start : one.end] != one.term), key=lambda one: one.start)


def _places(text: str, tokens: Sequence[SpokenToken], term: str, sounds: Sounds) -> list[Replacement]:
    """Return all parts of a text that may stand for a term, except for its plural or singular."""
    found: list[Replacement] = []
    for first in range(len(tokens)):
        match = speech_text.match_at(term, text, tokens, first, sounds)
        if match is not None and match.distance != speech_text.PLURAL_DISTANCE:
            found.append(Replacement(match.start, match.end, term, match.distance))
    return found


def _like(word: str, heard: str) -> str:
    """Return a word of the screen as it is written in a sentence, where only its letters are known."""
    plain = word.lower() if word.isupper() else word
    if heard[:1].isupper():
        return plain[:1].upper() + plain[1:]
    return plain


def corrected(text: str, found: Sequence[Replacement]) -> str:
    """Return a text with its corrections."""
    parts: list[str] = []
    at = 0
    for one in found:
        parts += [text[at : one.start], one.term]
        at = one.end
    return "".join([*parts, text[at:]])


def corrected_words(text: str, words: Sequence[JsonObject], found: Sequence[Replacement]) -> list[JsonObject]:
    """Return the words of a text with its corrections. A corrected word has the words that it replaces in ``heard``.

    Args:
        text: The text.
        words: Its words with their times (``word``, ``start``, ``end``).
        found: The corrections.
    """
    places: list[tuple[int, int]] = []
    at = 0
    for word in words:
        begin = text.find(str(word["word"]), at)
        at = at if begin < 0 else begin + len(str(word["word"]))
        places.append((begin, at))
    result: list[JsonObject] = []
    done = 0
    for number, (word, (begin, end)) in enumerate(zip(words, places, strict=True)):
        if number < done:
            continue
        one = next((one for one in found if begin >= 0 and begin < one.end and end > one.start), None)
        if one is None:
            result.append(word)
            continue
        done = number
        while done < len(words) and 0 <= places[done][0] < one.end:
            done += 1
        whole = text[begin : places[done - 1][1]]
        spelled = f"{text[begin : one.start]}{one.term}{text[one.end : places[done - 1][1]]}"
        joined = {**word, "word": spelled, "end": words[done - 1]["end"], "heard": whole}
        sure = [each["confidence"] for each in words[number:done] if each.get("confidence") is not None]
        result.append({**joined, "confidence": min(sure)} if sure else joined)
    return result
