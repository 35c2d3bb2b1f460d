"""AMF0, the encoding of RTMP commands (Adobe AMF 0 specification, 21 July 2006). Input is untrusted."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

AmfValue = float | bool | str | None | dict[str, "AmfValue"] | list["AmfValue"]

MAX_DEPTH = 8
MAX_VALUES = 512  # in a message, with those inside objects and arrays

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0, 1, 2, 3, 5, 6
_ECMA_ARRAY, _END, _STRICT_ARRAY, _DATE, _LONG_STRING = 8, 9, 10, 11, 12


class AmfError(ValueError):
    """The data is not AMF0, or larger than a command may be."""


def decode_amf(data: bytes) -> list[AmfValue]:
    """Return the values in ``data``. Raises AmfError."""
    reader = _Reader(data)
    found = []
    try:
        while reader.at < len(data):
            found.append(reader.value(0))
    except (struct.error, IndexError, UnicodeDecodeError):
        raise AmfError("the command ends in the middle of a value") from None
    return found


def encode_amf(*values: object) -> bytes:
    """Return numbers, booleans, strings, None and mappings of these as AMF0."""
    return b"".join(_encoded(value) for value in values)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at, self._left = data, 0, MAX_VALUES

    def value(self, depth: int) -> AmfValue:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise AmfError("the command has too many values")
        kind = self._data[self.at]
        self.at += 1
        if kind == _NUMBER:
            return self._number()
        if kind == _BOOLEAN:
            self.at += 1
            return bool(self._data[self.at - 1])
        if kind in (_STRING, _LONG_STRING):
            return self._string(2 if kind == _STRING else 4)
        if kind in (_NULL, _UNDEFINED):
            return None
        if kind in (_OBJECT, _ECMA_ARRAY):
            self.at += 4 if kind == _ECMA_ARRAY else 0
            return self._members(depth)
        if kind == _STRICT_ARRAY:
            (count,) = struct.unpack_from(">I", self._data, self.at)
            self.at += 4
            return [self.value(depth + 1) for _ in range(min(count, MAX_VALUES + 1))]
        if kind == _DATE:
            number = self._number()
            self.at += 2
            return number
        raise AmfError(f"the command has a value of type {kind}")

    def _number(self) -> float:
        (number,) = struct.unpack_from(">d", self._data, self.at)
        self.at += 8
        return number

    def _string(self, size: int) -> str:
        length = int.from_bytes(self._data[self.at : self.at + size], "big")
        begin = self.at + size
        if begin + length > len(self._data):
            raise AmfError("the command ends in the middle of a text")
        self.at = begin + length
        return self._data[begin : self.at].decode()

    def _members(self, depth: int) -> dict[str, AmfValue]:
        found: dict[str, AmfValue] = {}
        while True:
            name = self._string(2)
            if not name and self._data[self.at] == _END:
                self.at += 1
                return found
            found[name] = self.value(depth + 1)


def _encoded(value: object) -> bytes:
    if value is None:
        return bytes([_NULL])
    if isinstance(value, bool):
        return bytes([_BOOLEAN, value])
    if isinstance(value, int | float):
        return bytes([_NUMBER]) + struct.pack(">d", value)
    if isinstance(value, str):
        return bytes([_STRING]) + _text(value)
    if isinstance(value, Mapping):
        members = b"".join(_text(str(name)) + _encoded(each) for name, each in value.items())
        return bytes([_OBJECT]) + members + bytes([0, 0, _END])
    if isinstance(value, Sequence):
        return bytes([_STRICT_ARRAY]) + struct.pack(">I", len(value)) + encode_amf(*value)
    raise TypeError(f"{type(value).__name__} has no form in AMF0")


def _text(value: str) -> bytes:
    data = value.encode()[:0xFFFF]
    return struct.pack(">H", len(data)) + data
