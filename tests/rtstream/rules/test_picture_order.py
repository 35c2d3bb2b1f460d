"""The picture order count is read from headers as the standards write them. Real streams are in test_picture_clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.picture_order import PictureOrder, Unit

KINDS = st.sampled_from([1, 5, 7, 8, 19, 20, 21, 33, 34])


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(units=st.lists(st.tuples(KINDS, st.binary(max_size=60)), max_size=8))
def test_damaged_units_are_ignored(codec: str, units: list[tuple[int, bytes]]) -> None:
    order = PictureOrder(codec)
    for unit in units:
        count = order.count([unit])
        assert count is None or isinstance(count, int)


class Writer:
    """Writes the bits of a unit, and its bytes with emulation prevention."""

    def __init__(self) -> None:
        self.bits = ""

    def u(self, count: int, value: int = 0) -> Writer:
        self.bits += f"{value:0{count}b}" if count else ""
        return self

    def golomb(self, *values: int) -> Writer:
        for value in values:
            code = f"{value + 1:b}"
            self.bits += "0" * (len(code) - 1) + code
        return self

    def signed(self, *values: int) -> Writer:
        return self.golomb(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def unit(self, kind: int, *header: int) -> Unit:
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        found, zeros = bytearray(), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                found.append(3)
                zeros = 0
            found.append(byte)
            zeros = 0 if byte else zeros + 1
        return kind, bytes(header) + bytes(found)


HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
SCALING = [None, [0] * 16, [1] * 16, [-8], [5, -13], None, [3, -11], [0] * 64]
"""Deltas of the lists of a scaling matrix. One that reaches 0 ends, as -8 from 8."""


def sequence(
    profile: int = 77,
    number: int = 0,
    chroma: int = 1,
    planes: bool = False,
    scaling: list[list[int] | None] | None = None,
    frame_bits: int = 4,
    order: int = 0,
    count_bits: int = 6,
    frames_only: bool = True,
    deltas: bool = False,
    offsets: tuple[int, ...] = (0, 0),
) -> Unit:
    """``offsets``, for order 1: of a picture that no other refers to, of a bottom field, and of a cycle."""
    out = Writer().u(8, profile).u(16, 0xC01E).golomb(number)
    if profile in HIGH:
        out.golomb(chroma)
        if chroma == 3:
            out.u(1, planes)
        out.golomb(0, 0).u(1).u(1, scaling is not None)
        for one in scaling or []:
            out.u(1, one is not None).signed(*(one or []))
    out.golomb(frame_bits - 4, order)
    if order == 0:
        out.golomb(count_bits - 4)
    elif order == 1:
        out.u(1, not deltas).signed(*offsets[:2]).golomb(len(offsets) - 2).signed(*offsets[2:])
    return out.golomb(3).u(1).golomb(39, 29).u(1, frames_only).u(1, 1).unit(7, 0x67)


def picture_set(number: int = 0, sequence: int = 0, bottom: bool = False) -> Unit:
    return Writer().golomb(number, sequence).u(1, 1).u(1, bottom).u(6, 0x25).unit(8, 0x68)


def picture(
    low: int,
    idr: bool = False,
    refers: bool = True,
    number: int = 0,
    planes: bool = False,
    frame_bits: int = 4,
    count_bits: int = 6,
    frames_only: bool = True,
    field: bool = False,
) -> Unit:
    out = Writer().golomb(0, 7, number).u(2 * planes, 2 * planes).u(frame_bits, 5)
    if not frames_only:
        out.u(1, field)
        if field:
            out.u(1, 0)
    if idr:
        out.golomb(9)
    kind = 5 if idr else 1
    return out.u(count_bits, low).u(24, 0xFFFFFF).unit(kind, (3 if refers else 0) << 5 | kind)


def counts(codec: str, *pictures: list[Unit] | Unit) -> list[int | None]:
    order = PictureOrder(codec)
    return [order.count(units if isinstance(units, list) else [units]) for units in pictures]


@pytest.mark.parametrize("profile", [66, 77, 88, 111, 99, 101, *HIGH])
def test_the_count_of_h264_is_found_in_every_profile(profile: int) -> None:
    sets = [sequence(profile), picture_set()]
    assert counts("h264", [*sets, picture(0, idr=True)], picture(4), picture(2, refers=False)) == [0, 4, 2]


@pytest.mark.parametrize("chroma", [0, 1, 2, 3])
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("matrix", [False, True])
def test_planes_and_scaling_lists_of_h264_are_passed_over(chroma: int, planes: bool, matrix: bool) -> None:
    planes = planes and chroma == 3
    lists = [*SCALING, None, [1] * 64, [-8], None][: 12 if chroma == 3 else 8] if matrix else None
    sets = [sequence(100, chroma=chroma, planes=planes, scaling=lists), picture_set()]
    first, second = picture(0, idr=True, planes=planes), picture(6, planes=planes)
    assert counts("h264", [*sets, first], second) == [0, 6]


@given(
    frame_bits=st.integers(4, 16),
    count_bits=st.integers(4, 16),
    frames_only=st.booleans(),
    field=st.booleans(),
    number=st.integers(0, 31),
    of=st.integers(0, 255),
)
def test_the_sizes_in_the_parameter_sets_place_the_count(
    frame_bits: int, count_bits: int, frames_only: bool, field: bool, number: int, of: int
) -> None:
    layout = {"frame_bits": frame_bits, "count_bits": count_bits, "frames_only": frames_only}
    other = [sequence(number=(number + 1) % 32, count_bits=9), picture_set((of + 1) % 256, (number + 1) % 32)]
    sets = [*other, sequence(number=number, **layout), picture_set(of, number)]
    ours = {**layout, "number": of, "field": field and not frames_only}
    found = counts("h264", [*sets, picture(0, idr=True, **ours)], picture(6, **ours), picture(3, refers=False, **ours))
    assert found == [0, 6, 3]


def test_pictures_in_the_order_of_decoding_have_no_count() -> None:
    sets = [sequence(order=2), picture_set()]
    assert counts("h264", [*sets, picture(0, idr=True)], picture(2)) == [None, None]
    assert counts("vp9", [sequence(), picture_set(), picture(0, idr=True)]) == [None]
    assert counts("h264", [picture_set(), picture(0, idr=True)]) == [None]
    assert counts("h264", [sequence(), picture(0, idr=True)]) == [None]


def numbered(
    number: int, refers: bool = True, deltas: tuple[int, ...] = (), fields: tuple[int, ...] = (), idr: bool = False
) -> Unit:
    """A picture of order 1. ``fields``: whether it is a field, and whether it is the bottom one, if it may be."""
    out = Writer().golomb(0, 7, 0).u(4, number % 16)
    for flag in fields:
        out.u(1, flag)
    if idr:
        out.golomb(9)
    kind = 5 if idr else 1
    return out.signed(*deltas).u(24, 0xFFFFFF).unit(kind, (3 if refers else 0) << 5 | kind)


def test_the_order_of_type_1_follows_from_the_number_of_the_picture() -> None:
    sets = [sequence(order=1, offsets=(-2, 0, 4)), picture_set()]
    found = [numbered(0, idr=True)]
    for group in range(1, 40):  # beyond the bits of the number
        found += [numbered(group), numbered(group + 1, refers=False)]
    wanted = [0, *(count for group in range(1, 40) for count in (4 * group, 4 * group - 2))]
    assert counts("h264", [*sets, found[0]], *found[1:]) == wanted
    assert counts("h264", [*sets, *found[:1]], found[1], numbered(0, idr=True), found[1]) == [0, 4, 0, 4]


def test_a_cycle_of_type_1_may_have_several_offsets_or_none() -> None:
    uneven = [sequence(order=1, offsets=(-1, 0, 2, 6, 4)), picture_set()]
    found = counts("h264", [*uneven, numbered(0, idr=True)], *map(numbered, range(1, 8)))
    assert found == [0, 2, 8, 12, 14, 20, 24, 26]
    empty = [sequence(order=1, offsets=(3, 0)), picture_set()]
    assert counts("h264", [*empty, numbered(0, idr=True)], numbered(1), numbered(2, refers=False)) == [0, 0, 3]


def test_pictures_and_fields_of_type_1_may_state_their_distance() -> None:
    sets = [sequence(order=1, offsets=(0, 1, 2), deltas=True), picture_set()]
    first = numbered(0, deltas=(0,), idr=True)
    shown = counts("h264", [*sets, first], numbered(1, deltas=(6,)), numbered(2, deltas=(-2,)))
    assert shown == [0, 8, 2]
    sets = [sequence(order=1, offsets=(0, 1, 2), deltas=True, frames_only=False), picture_set(bottom=True)]
    first = numbered(0, deltas=(0, 0), fields=(0,), idr=True)
    whole = numbered(1, deltas=(4, -3), fields=(0,))
    top, bottom = (numbered(2, deltas=(1,), fields=(1, is_bottom)) for is_bottom in (0, 1))
    assert counts("h264", [*sets, first], whole, top, bottom) == [0, 4, 5, 6]


@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_count_continues_beyond_its_bits_in_both_directions(codec: str, bits: int) -> None:
    span = 1 << bits
    shown = [0, *(group + place for group in range(0, 5 * span, 4) for place in (4, 2, 1, 3))]
    if codec == "h264":
        sets = [sequence(count_bits=bits), picture_set()]
        made = [picture(at % span, idr=not at, refers=at % 4 == 0, count_bits=bits) for at in shown]
    else:
        sets = [hevc_sequence(count_bits=bits), hevc_picture_set()]
        made = [hevc_picture(at % span, 19 if not at else 1 if at % 4 == 0 else 0, count_bits=bits) for at in shown]
    assert counts(codec, [*sets, made[0]], *made[1:]) == shown


def test_an_idr_picture_begins_again_and_may_have_a_count_of_its_own() -> None:
    sets = [sequence(), picture_set()]
    found = counts("h264", [*sets, picture(1, idr=True)], picture(5), picture(9), picture(1, idr=True), picture(3))
    assert found == [0, 4, 8, 0, 2]


@pytest.mark.parametrize(("step", "wanted"), [(31, 31), (32, -32), (33, -31), (63, -1)])
def test_half_the_range_ahead_is_behind(step: int, wanted: int) -> None:
    found = counts("h264", [sequence(), picture_set(), picture(0, idr=True)], picture(step, refers=False))
    assert found == [0, wanted]


def hevc_sequence(
    number: int = 0,
    layers: list[tuple[int, int]] | None = None,
    chroma: int = 1,
    planes: bool = False,
    window: bool = False,
    count_bits: int = 6,
) -> Unit:
    layers = layers or []
    out = Writer().u(4, 0xF).u(3, len(layers)).u(1, 1).u(88, 0x5A5A << 60).u(8, 93)
    for profile, level in layers:
        out.u(1, profile).u(1, level)
    out.u(2 * (8 - len(layers)) if layers else 0)
    for profile, level in layers:
        out.u(88 * profile, (1 << 88 * profile) - 1).u(8 * level, (1 << 8 * level) - 1)
    out.golomb(number, chroma)
    if chroma == 3:
        out.u(1, planes)
    out.golomb(640, 480).u(1, window)
    if window:
        out.golomb(0, 3, 1, 2)
    return out.golomb(0, 0, count_bits - 4).u(16, 0xFFFF).unit(33, 0x42, 1)


def hevc_picture_set(number: int = 0, sequence: int = 0, output: bool = False, extra: int = 0) -> Unit:
    return Writer().golomb(number, sequence).u(1, 1).u(1, output).u(3, extra).u(8, 0xA5).unit(34, 0x44, 1)


def hevc_picture(
    low: int,
    kind: int = 1,
    number: int = 0,
    output: bool = False,
    extra: int = 0,
    planes: bool = False,
    count_bits: int = 6,
    layer: int = 0,
) -> Unit:
    out = Writer().u(1, 1)
    if 16 <= kind <= 23:
        out.u(1, 1)
    out.golomb(number).u(extra, (1 << extra) - 1).golomb(2).u(int(output), int(output)).u(2 * planes, planes)
    if kind not in (19, 20):
        out.u(count_bits, low)
    return out.u(24, 0xFFFFFF).unit(kind, kind << 1, layer + 1)


@pytest.mark.parametrize(
    "layers", [[], [(1, 1)], [(0, 0)], [(1, 0), (0, 1)], [(0, 1)] * 3, [(1, 1)] * 6, [(1, 0)] * 7], ids=str
)
@pytest.mark.parametrize(("chroma", "planes"), [(0, False), (1, False), (3, False), (3, True)])
@pytest.mark.parametrize("window", [False, True])
def test_layers_planes_and_windows_of_h265_are_passed_over(
    layers: list[tuple[int, int]], chroma: int, planes: bool, window: bool
) -> None:
    sets = [hevc_sequence(0, layers, chroma, planes, window), hevc_picture_set()]
    first, second = hevc_picture(0, 19, planes=planes), hevc_picture(6, planes=planes)
    assert counts("hevc", [*sets, first], second, hevc_picture(3, 0, planes=planes)) == [0, 6, 3]


@given(
    number=st.integers(0, 15),
    of=st.integers(0, 63),
    output=st.booleans(),
    extra=st.integers(0, 7),
    count_bits=st.integers(4, 16),
    kind=st.sampled_from([16, 17, 18, 19, 20, 21]),
)
def test_the_flags_of_h265_place_the_count(
    number: int, of: int, output: bool, extra: int, count_bits: int, kind: int
) -> None:
    sets = [
        hevc_sequence(number, count_bits=count_bits),
        hevc_picture_set(of, number, output, extra),
    ]
    ours = {"number": of, "output": output, "extra": extra, "count_bits": count_bits}
    found = counts(
        "hevc", [*sets, hevc_picture(0, 20, **ours)], hevc_picture(5, kind, **ours), hevc_picture(7, 1, **ours)
    )
    assert found == ([0, 0, 7] if kind in (19, 20) else [0, 5, 7])


@pytest.mark.parametrize(
    ("kind", "layer", "refers"),
    [
        *[(kind, 0, kind % 2 == 1) for kind in range(6)],
        *[(kind, 0, False) for kind in (6, 7, 8, 9)],
        (10, 0, False),
        (14, 0, False),
        (11, 0, True),
        (21, 0, True),
        *[(kind, layer, False) for kind in (1, 0, 3) for layer in (1, 2, 6)],
    ],
)
def test_only_pictures_of_the_lowest_layer_that_others_refer_to_move_the_count(
    kind: int, layer: int, refers: bool
) -> None:
    sets = [hevc_sequence(), hevc_picture_set()]
    # From 24, the lower bits 50 are 50, and from 0 they are -14.
    found = counts("hevc", [*sets, hevc_picture(0, 19)], hevc_picture(24, kind, layer=layer), hevc_picture(50))
    assert found == [0, 24, 50 if refers else -14]
