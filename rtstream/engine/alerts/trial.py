"""Reads the past moments of a stream, on which an event is tested."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rtstream.engine.alerts.matcher import Evidence
from rtstream.engine.alerts.speech_evaluator import spoken_moment
from rtstream.models import Page
from rtstream.rules.detection import Rule
from rtstream.rules.event_media import IndexKind, Medium, obstacle
from rtstream.states import ExtractionType, SceneStatus
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as transcript_rows


@dataclass(frozen=True)
class PastMoment:
    """A scene or a sentence. ``evidence`` is None if the scene could not be described. ``text`` is untrusted."""

    source: str
    start: float
    end: float
    text: str
    evidence: Evidence | None


@dataclass(frozen=True)
class PastMoments:
    """The newest moments of a stream on which an event can be decided.

    Attributes:
        stream_id: Id of the stream.
        index_id: Only the scenes of this index. None: of all that can decide the event, and the transcripts.
        medium: What the event needs.
        rule: The rule that decides it, or None if a model does.
        start: Start of the range in Unix seconds, or None for no bound.
        end: End of the range in Unix seconds, or None for no bound.
        limit: Number of moments.
    """

    stream_id: str
    index_id: str | None
    medium: Medium
    rule: Rule | None
    start: float | None
    end: float | None
    limit: int

    def read(self, conn: Connection) -> list[PastMoment]:
        """Return the moments, oldest first. Raises NotFound."""
        stream_rows.get(conn, self.stream_id)
        found = self._scenes(conn) + self._speech(conn)
        return sorted(found, key=lambda moment: moment.start)[-self.limit :]

    def _scenes(self, conn: Connection) -> list[PastMoment]:
        if self.index_id is not None:
            indexes = [index_rows.get(conn, self.index_id, self.stream_id)]
        else:
            indexes = [
                index
                for index in index_rows.of_stream(conn, self.stream_id)
                if self._decides(audio=index.extraction_type is ExtractionType.TRANSCRIPT)
            ]
        first = Page(page_size=self.limit)
        return [
            PastMoment(
                index.id,
                scene.start,
                scene.end,
                scene.text,
                Evidence.of_scene(scene) if scene.status is SceneStatus.OK else None,
            )
            for index in indexes
            for scene in index_rows.scene_page(conn, index.id, self.start, self.end, first)[0]
        ]

    def _speech(self, conn: Connection) -> list[PastMoment]:
        if self.index_id is not None or not self._decides(audio=True):
            return []
        found = transcript_rows.newest_speech(conn, self.stream_id, self.start, self.end, self.limit)
        return [
            PastMoment(one.engine, one.start, one.end, one.text, spoken_moment(conn, [one], ()).evidence)
            for one in found
        ]

    def _decides(self, *, audio: bool) -> bool:
        return not obstacle(self.medium, self.rule, IndexKind(audio, measured=True))
