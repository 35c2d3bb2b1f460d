"""Reads the order in which pictures of H.264 and H.265 are shown, for sources that carry no times.

The picture order count (H.264 8.2.1, H.265 8.3.1) is in the header of each slice. Its length, and the position in the
header, are in the parameter sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

HEAD_BYTES = 64  # of a slice; its header up to the count is shorter
_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)

Unit = tuple[int, bytes]
"""Type and bytes of a unit of the stream, without its start code."""


class _Bits:
    """Reads the bits of a unit without its emulation prevention bytes. Raises IndexError at the end."""

    def __init__(self, unit: bytes, header_bytes: int) -> None:
        self._data = unit[header_bytes:].replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def read(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def skip(self, count: int) -> None:
        self._at += count

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb code."""
        zeros = 0
        while not self.read():
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.read(zeros)

    def pass_over(self, codes: int) -> None:
        """Skip Exp-Golomb codes."""
        for _ in range(codes):
            self.golomb()

    def signed(self) -> int:
        value = self.golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)


class _Cycle(NamedTuple):
    """The expected order of H.264 pictures whose order is of type 1 (8.2.1.2)."""

    sends_deltas: bool  # each picture states how far it is from the expected place
    not_referred: int  # offset of a picture that no other refers to
    bottom: int  # offset of a bottom field
    offsets: tuple[int, ...]  # of the pictures of a cycle that others refer to, each from the one before

    def expected(self, number: int, refers: bool) -> int:
        """Return the expected count of the picture with this number since the last IDR picture."""
        number = number - (not refers) if self.offsets and number else 0
        count = 0 if refers else self.not_referred
        if number:
            cycles, left = divmod(number - 1, len(self.offsets))
            count += cycles * sum(self.offsets) + sum(self.offsets[: left + 1])
        return count


class _Layout(NamedTuple):
    """The parts of the parameter sets that the header of a slice depends on."""

    count_bits: int  # of the lower part of the picture order count; 0 if the header does not have it
    planes: bool = False  # colour planes are coded separately
    frame_bits: int = 0  # H.264
    frames_only: bool = True  # H.264
    cycle: _Cycle | None = None  # without this and ``count_bits``, pictures are shown in the order of decoding


class PictureOrder:
    """Returns the picture order count of each picture of a stream.

    Args:
        codec: ``h264`` or ``hevc``. For others, the order is unknown.
    """

    def __init__(self, codec: str) -> None:
        self._hevc, self._known = codec == "hevc", codec in ("h264", "hevc")
        self._layouts: dict[int, _Layout] = {}  # by sequence parameter set
        self._pictures: dict[int, tuple[int, int, bool]] = {}  # by picture parameter set, see _read_picture_set
        self._before = 0  # count of the last picture that others may refer to
        self._first = 0  # that of the last IDR picture
        self._number = 0  # of the last picture, since the last IDR picture; with ``_Cycle`` only

    def count(self, units: Sequence[Unit]) -> int | None:
        """Return the count of the picture in these units, which begins again with 0 at an IDR picture.

        None if it is unknown, or if pictures are shown in the order of decoding.
        """
        if not self._known:
            return None
        try:
            for kind, unit in units:
                if self._hevc and kind == 33:
                    self._read_hevc_sequence(_Bits(unit, 2))
                elif self._hevc and kind == 34:
                    self._read_picture_set(_Bits(unit, 2))
                elif not self._hevc and kind == 7:
                    self._read_sequence(_Bits(unit, 1))
                elif not self._hevc and kind == 8:
                    self._read_picture_set(_Bits(unit, 1))
                elif self._hevc and kind < 32:
                    return self._hevc_slice(kind, unit)
                elif not self._hevc and kind in (1, 5):
                    return self._slice(kind, unit)
        except (IndexError, KeyError):  # damaged, or its parameter sets are missing
            pass
        return None

    def _read_sequence(self, bits: _Bits) -> None:
        profile = bits.read(8)
        bits.skip(16)
        number, planes = bits.golomb(), False
        if profile in _HIGH_PROFILES:
            chroma = bits.golomb()
            planes = chroma == 3 and bool(bits.read())
            bits.pass_over(2)
            bits.skip(1)
            if bits.read():
                _skip_scaling(bits, 12 if chroma == 3 else 8)
        frame_bits, order = bits.golomb() + 4, bits.golomb()
        count_bits, cycle = bits.golomb() + 4 if order == 0 else 0, None
        if order == 1:
            sends_deltas, offsets = not bits.read(), (bits.signed(), bits.signed())
            cycle = _Cycle(sends_deltas, *offsets, tuple(bits.signed() for _ in range(bits.golomb())))
        bits.golomb()
        bits.skip(1)
        bits.pass_over(2)
        self._layouts[number] = _Layout(count_bits, planes, frame_bits, bool(bits.read()), cycle)

    def _read_hevc_sequence(self, bits: _Bits) -> None:
        bits.skip(4)
        layers = bits.read(3)
        bits.skip(1 + 96)
        present = [(bits.read(), bits.read()) for _ in range(layers)]
        bits.skip(2 * (8 - layers) if layers else 0)
        bits.skip(sum(88 * profile + 8 * level for profile, level in present))
        number = bits.golomb()
        planes = bits.golomb() == 3 and bool(bits.read())
        bits.pass_over(2)
        if bits.read():
            bits.pass_over(4)
        bits.pass_over(2)
        self._layouts[number] = _Layout(bits.golomb() + 4, planes)

    def _read_picture_set(self, bits: _Bits) -> None:
        """Read its sequence parameter set, the number of extra bits in slices (H.265), and a flag.

        With the flag, slices have another flag (H.265), or the place of the bottom field (H.264).
        """
        number, sequence = bits.golomb(), bits.golomb()
        if self._hevc:
            bits.skip(1)
            output, extra = bool(bits.read()), bits.read(3)
            self._pictures[number] = sequence, extra, output
        else:
            bits.skip(1)
            self._pictures[number] = sequence, 0, bool(bits.read())

    def _slice(self, kind: int, unit: bytes) -> int | None:
        bits = _Bits(unit[:HEAD_BYTES], 1)
        bits.pass_over(2)
        sequence, _, states_bottom = self._pictures[bits.golomb()]
        layout, idr, refers = self._layouts[sequence], kind == 5, bool(unit[0] >> 5 & 3)
        if not layout.count_bits and layout.cycle is None:
            return None
        bits.skip(2 * layout.planes)
        number = bits.read(layout.frame_bits)
        is_field = not layout.frames_only and bool(bits.read())
        is_bottom = is_field and bool(bits.read())
        if idr:
            bits.golomb()
        if layout.cycle is None:
            return self._whole(bits.read(layout.count_bits), layout, idr=idr, refers=refers)
        sent = bits.signed() if layout.cycle.sends_deltas else 0
        later = bits.signed() if layout.cycle.sends_deltas and states_bottom and not is_field else 0
        span = 1 << layout.frame_bits
        before = 0 if idr else self._number
        self._number = before - before % span + number + span * (number < before % span)
        top = layout.cycle.expected(self._number, refers) + sent
        count = top + layout.cycle.bottom * is_bottom if is_field else min(top, top + layout.cycle.bottom + later)
        if idr:
            self._first = count
        return count - self._first

    def _hevc_slice(self, kind: int, unit: bytes) -> int | None:
        bits = _Bits(unit[:HEAD_BYTES], 2)
        bits.skip(2 if 16 <= kind <= 23 else 1)
        sequence, extra, output = self._pictures[bits.golomb()]
        layout = self._layouts[sequence]
        bits.skip(extra)
        bits.golomb()
        bits.skip(output + 2 * layout.planes)
        idr = kind in (19, 20)
        low = 0 if idr else bits.read(layout.count_bits)
        base_layer = unit[1] & 7 == 1
        refers = base_layer and not (kind <= 14 and kind % 2 == 0) and not 6 <= kind <= 9
        return self._whole(low, layout, idr=idr, refers=refers)

    def _whole(self, low: int, layout: _Layout, *, idr: bool, refers: bool) -> int:
        """Return the count whose lower bits are ``low``, which is the nearest one to that of the last reference."""
        span = 1 << layout.count_bits
        before = 0 if idr else self._before
        count = before - before % span + low
        if count - before >= span // 2:
            count -= span
        elif before - count > span // 2:
            count += span
        if refers or idr:
            self._before = count
        if idr:
            self._first = count  # 1 if the lower field is shown first
        return count - self._first


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.read():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last
