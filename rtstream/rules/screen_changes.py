"""The changes of a screen: measurements of a window of pictures, compared with the previous window."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rtstream.json_types import JsonObject


@dataclass(frozen=True, slots=True)
class ScreenChanges:
    """Measurements of one window. A field is None where nothing measured it.

    Attributes:
        first: There was no window to compare with.
        changed: The picture differs from the last window.
        share: Share (0 to 1) of the picture that differs from the last window.
        cut: The picture was cut to another one.
        cuts: Number of cuts.
        motion: Share (0 to 1) of the picture that moves.
        frozen: Nothing moved.
        still_s: Seconds since something moved.
        black: The picture is black.
        blank: The picture has one colour.
        colours: Names of the main colours.
        text_read: Text on screen was read.
        appeared: Lines that were not on screen at the last look. Untrusted.
        disappeared: Lines that are no longer on screen. Untrusted.
        repeated: The description is that of the last window: nothing moves, or the text on screen is the same apart
            from clocks that run.
    """

    first: bool | None = None
    changed: bool | None = None
    share: float | None = None
    cut: bool | None = None
    cuts: int | None = None
    motion: float | None = None
    frozen: bool | None = None
    still_s: float | None = None
    black: bool | None = None
    blank: bool | None = None
    colours: list[str] | None = None
    text_read: bool | None = None
    appeared: list[str] | None = None
    disappeared: list[str] | None = None
    repeated: bool | None = None

    def to_json(self) -> JsonObject:
        """Return the measurements as a JSON object."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, stored: JsonObject | None) -> ScreenChanges:
        """Restore the changes from ``to_json``. Fields that are missing or of another type count as not measured."""
        stored = stored or {}
        return cls(**{name: stored[name] for name in _NAMES if isinstance(stored.get(name), _TYPES[name])})

    def measured(self) -> dict[str, bool | int | float]:
        """Return the numbers and the yes-or-no measurements, without texts from the stream."""
        return {name: value for name, value in self.to_json().items() if isinstance(value, bool | int | float)}

    def picture(self) -> JsonObject:
        """Return the measurements of the picture with the names of its colours, without texts from the stream."""
        return self.measured() | ({"colours": self.colours} if self.colours else {})


_NAMES = tuple(field.name for field in fields(ScreenChanges))
_TYPES: dict[str, type | tuple[type, ...]] = {
    "bool | None": bool,
    "int | None": int,
    "float | None": (int, float),
    "list[str] | None": list,
}
_TYPES = {field.name: _TYPES[str(field.type)] for field in fields(ScreenChanges)}
