"""Corrects utterances by the vocabulary of their stream and by the words that were on its screen at that moment."""

from __future__ import annotations

import anyio
from sqlalchemy import Connection

from rtstream.errors import DatabaseUnavailable, NotFound
from rtstream.json_types import JsonObject
from rtstream.rules import vocabulary as rules
from rtstream.rules.sounds import Sounds
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database

SEEN_S = 60.0
"""Seconds before a sentence in which a word on the screen counts."""
MAX_SCENES = 40
TIMEOUT_S = 1.0
"""Longest wait for the database in seconds. A transcript does not wait for corrections."""


class VocabularyCorrector:
    """Corrects the text and the words of utterances.

    Args:
        db: The database.
        sounds: Compares words by their sound.
    """

    def __init__(self, db: Database, sounds: Sounds) -> None:
        self._db = db
        self._sounds = sounds

    async def correct(
        self, stream_id: str, start: float, end: float, text: str, words: list[JsonObject]
    ) -> tuple[str, list[JsonObject], str]:
        """Return the corrected text and words, and the text as it was heard, which is empty without a correction.

        Args:
            stream_id: Id of the stream.
            start: Start of the utterance, in Unix seconds.
            end: End of the utterance.
            text: Its text.
            words: Its words with their times.
        """
        terms: list[str] = []
        seen: list[str] = []
        try:
            with anyio.move_on_after(TIMEOUT_S):
                terms, lines = await self._db.read(_known, stream_id, start - SEEN_S, end)
                seen = rules.screen_words(lines)
        except (DatabaseUnavailable, NotFound):
            pass
        found = rules.replacements(text, terms, seen, self._sounds) if terms or seen else []
        if not found:
            return text, words, ""
        return rules.corrected(text, found), rules.corrected_words(text, words, found), text


def _known(conn: Connection, stream_id: str, start: float, end: float) -> tuple[list[str], list[str]]:
    """Return the vocabulary of a stream, and the lines that were read on its screen, the newest first."""
    terms = stream_rows.get(conn, stream_id).vocabulary or []
    scenes = index_rows.newest_between(conn, stream_id, start, end, MAX_SCENES)
    return terms, [line for scene in scenes for line in scene.detail.lines]
