"""The detail of a scene, which is stored with its text for rules, search and the user."""

from __future__ import annotations

from dataclasses import dataclass, field

from rtstream.json_types import JsonObject
from rtstream.rules.playlist import Range
from rtstream.rules.screen_changes import ScreenChanges


@dataclass(frozen=True, slots=True)
class SceneDetail:
    """The detail of one scene.

    Attributes:
        frame_times: Unix seconds of the pictures that were analysed.
        words: Number of words, for a scene of an audio index.
        transcript: Verbatim transcript, for a scene of an audio index. Untrusted.
        latency_s: Seconds the model took; None if it was not called.
        lines: Lines read on screen. Untrusted.
        changes: Changes since the window before.
        unchanged: The picture had not changed, so the text is the one of the window before.
        failure: Reason why the window could not be analysed.
        data_error: Reason why the JSON that was asked for could not be read.
        parts: Ranges of Unix time, if speech is missing between the words of a scene of an audio index.
    """

    frame_times: list[float] = field(default_factory=list)
    words: int | None = None
    transcript: str | None = None
    latency_s: float | None = None
    lines: list[str] = field(default_factory=list)
    changes: ScreenChanges = ScreenChanges()  # noqa: RUF009 - it is frozen
    unchanged: bool = False
    failure: str = ""
    data_error: str = ""
    parts: list[Range] = field(default_factory=list)

    @property
    def seen(self) -> float | None:
        """Unix time of the last picture, from which text on screen was read. None if there was no picture."""
        return self.frame_times[-1] if self.frame_times else None

    def to_json(self) -> JsonObject:
        """Return the detail as a JSON object, without empty fields."""
        optional = {
            "frame_times": self.frame_times,
            "words": self.words,
            "transcript": self.transcript,
            "parts": [list(part) for part in self.parts],
            "unchanged": self.unchanged,
            "failure": self.failure,
            "data_error": self.data_error,
        }
        return {
            **{name: value for name, value in optional.items() if value},
            "latency_s": self.latency_s,
            "lines": self.lines,
            "changes": self.changes.to_json(),
        }

    @classmethod
    def from_json(cls, stored: JsonObject | None) -> SceneDetail:
        """Restore a detail from ``to_json``. Rows of earlier versions have fewer fields."""
        stored = stored or {}
        return cls(
            frame_times=list(stored.get("frame_times") or ()),
            words=stored.get("words"),
            transcript=stored.get("transcript"),
            latency_s=stored.get("latency_s"),
            lines=list(stored.get("lines") or ()),
            changes=ScreenChanges.from_json(stored.get("changes")),
            unchanged=bool(stored.get("unchanged")),
            failure=stored.get("failure") or "",
            data_error=stored.get("data_error") or "",
            parts=[(part[0], part[1]) for part in stored.get("parts") or ()],
        )
