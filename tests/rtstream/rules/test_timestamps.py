"""Timestamps of live sources, as bad as they come."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtstream.rules.timestamps import STALE_S, PacketVerdict, Placed, Timeline, Track, backdate, is_stale

VIDEO, AUDIO = 0, 1


def mpegts() -> Timeline:
    return Timeline({VIDEO: Track(Fraction(1, 90000), 90000), AUDIO: Track(Fraction(1, 90000), 48000)}, VIDEO)


def rtmp() -> Timeline:
    return Timeline({VIDEO: Track(Fraction(1, 1000), 90000), AUDIO: Track(Fraction(1, 1000), 44100)}, VIDEO)


def feed(timeline: Timeline, stamps: list[tuple[int, int | None, int | None]]) -> list[Placed | PacketVerdict]:
    return [timeline.place(*stamp) for stamp in stamps]


stamps = st.one_of(
    st.none(),
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**33),
    st.integers(0, 900_000),
    st.integers(0, 3000).map(lambda n: n * 3000),
)


@given(
    st.sampled_from([mpegts, rtmp]),
    st.lists(st.tuples(st.sampled_from([VIDEO, AUDIO]), stamps, stamps, st.floats(0, 600)), max_size=80),
)
def test_whatever_comes_in_a_muxer_can_trust_what_comes_out(make: object, packets: list) -> None:
    timeline = make()  # pyright: ignore[reportCallIssue]
    last: dict[int, int] = {}
    for index, dts, pts, waited_s in packets:
        placed = timeline.place(index, dts, pts, waited_s)
        if placed is PacketVerdict.JUMP:
            timeline.restart()
            last.clear()
        if not isinstance(placed, Placed):
            continue
        rate = timeline.tracks[index].rate
        assert placed.dts >= 0
        assert 0 <= placed.pts - placed.dts <= 5 * rate
        assert placed.dts <= 10_000_010 * rate
        if index in last:
            assert placed.dts > last[index]
            if index == VIDEO:
                assert placed.dts - last[index] <= (10 + 2 * waited_s) * rate
            else:
                reached = max(last[AUDIO] / rate, last.get(VIDEO, 0) / 90000)
                assert abs(placed.dts / rate - reached) <= 10.1
        last[index] = placed.dts


class Examined(Track):
    """A track whose packets are all examined in detail."""

    def followed(self, dts: int, pts: int, leader: Track) -> None:
        pass


steps = st.one_of(
    st.integers(-5000, 500_000), st.sampled_from([-1, 0, 1, 1000, 90000, 90001, -(2**32), 2**32, -(2**33), 2**33])
)


@given(
    st.sampled_from([1000, 90000, 48000]),
    st.integers(0, 2**33),
    st.lists(
        st.tuples(st.sampled_from([VIDEO, VIDEO, AUDIO]), steps, st.one_of(st.none(), st.just(0), steps)), max_size=60
    ),
)
@example(1000, 0, [(VIDEO, 0, 0), (AUDIO, 0, 0), (VIDEO, 6000, 0), (VIDEO, 6000, 0), (AUDIO, 500, 0)])
def test_a_packet_that_follows_the_previous_one_is_placed_like_any_other(
    ticks: int, at: int, packets: list[tuple[int, int, int | None]]
) -> None:
    quick, slow = (
        Timeline({VIDEO: kind(Fraction(1, ticks), 90000), AUDIO: kind(Fraction(1, ticks), 44100)}, VIDEO)
        for kind in (Track, Examined)
    )
    reached = {VIDEO: at, AUDIO: at}
    for index, step, later in packets:
        reached[index] += step
        dts, pts = reached[index], None if later is None else reached[index] + later
        placed = quick.place(index, dts, pts)
        assert placed == slow.place(index, dts, pts)
        if placed is PacketVerdict.JUMP:
            quick.restart()
            slow.restart()


@given(st.integers(0, 2**33), st.integers(1, 200))
def test_a_healthy_source_passes_unchanged(start: int, count: int) -> None:
    timeline = mpegts()
    placed = feed(timeline, [(VIDEO, start + n * 3000, start + n * 3000 + 6000) for n in range(count)])
    assert placed == [Placed(n * 3000, n * 3000 + 6000) for n in range(count)]


def test_ticks_are_converted_without_drift() -> None:
    timeline = rtmp()
    placed = feed(timeline, [(VIDEO, n * 1000 // 30, None) for n in range(3000)])
    last = placed[-1]
    assert isinstance(last, Placed)
    assert last.dts == 2999 * 1000 // 30 * 90


@pytest.mark.parametrize(("make", "wrap", "step"), [(mpegts, 2**33, 3000), (rtmp, 2**32, 33)])
def test_a_counter_that_wraps_goes_on(make: object, wrap: int, step: int) -> None:
    timeline = make()  # pyright: ignore[reportCallIssue]
    start = wrap - 10 * step
    packets = [(VIDEO, (start + n * step) % wrap, (start + (n + 2) * step) % wrap) for n in range(20)]
    sound = [(AUDIO, (start + n * step) % wrap, None) for n in range(20)]
    placed = feed(timeline, [packet for both in zip(packets, sound, strict=True) for packet in both])
    scale = timeline.tracks[VIDEO].ticks(1)
    assert placed[::2] == [Placed(n * step * scale, (n + 2) * step * scale) for n in range(20)]
    assert all(isinstance(p, Placed) for p in placed[1::2])


def test_sound_that_wraps_before_the_picture_does_is_not_lost() -> None:
    timeline = mpegts()
    start = 2**33 - 4000
    placed = feed(timeline, [(VIDEO, start, start), (AUDIO, (start + 4500) % 2**33, None), (VIDEO, start + 3000, None)])
    assert placed == [Placed(0, 0), Placed(2400, 2400), Placed(3000, 3000)]


def test_one_wild_packet_is_left_out_and_a_jump_is_told_from_it() -> None:
    timeline = mpegts()
    wild = 4_000_000_000
    assert feed(timeline, [(VIDEO, 0, 0), (VIDEO, wild, wild), (VIDEO, 3000, 3000)]) == [
        Placed(0, 0),
        PacketVerdict.HOLD,
        Placed(3000, 3000),
    ]
    assert feed(timeline, [(VIDEO, wild, wild), (VIDEO, wild + 3000, wild + 3000)]) == [
        PacketVerdict.HOLD,
        PacketVerdict.JUMP,
    ]
    timeline.restart()
    assert feed(timeline, [(VIDEO, wild, wild), (VIDEO, wild + 3000, wild + 3000)]) == [
        Placed(0, 0),
        Placed(3000, 3000),
    ]


def test_a_publisher_that_starts_again_is_a_jump_backwards() -> None:
    timeline = rtmp()
    feed(timeline, [(VIDEO, n * 33, n * 33) for n in range(300)])
    assert feed(timeline, [(VIDEO, 0, 0), (VIDEO, 33, 33)]) == [PacketVerdict.HOLD, PacketVerdict.JUMP]


def test_equal_decode_times_are_told_apart_in_output_ticks() -> None:
    timeline = mpegts()
    feed(timeline, [(VIDEO, 0, 0)])
    assert feed(timeline, [(AUDIO, 0, 0), (AUDIO, 1, 1), (AUDIO, 1, 1)]) == [Placed(0, 0), Placed(1, 1), Placed(2, 2)]


def test_late_packets_are_dropped() -> None:
    timeline = mpegts()
    assert feed(timeline, [(VIDEO, 0, 0), (VIDEO, 90000, 90000), (VIDEO, 45000, 45000)])[2] is PacketVerdict.DROP


def test_sound_before_the_first_picture_is_early_and_sound_far_away_is_dropped() -> None:
    timeline = mpegts()
    assert feed(timeline, [(AUDIO, 0, 0), (VIDEO, 90000, 90000), (AUDIO, 45000, 45000), (AUDIO, 9_000_000, None)]) == [
        PacketVerdict.EARLY,
        Placed(0, 0),
        PacketVerdict.EARLY,
        PacketVerdict.DROP,
    ]


SKEWS = st.one_of(*(st.floats(4.5, 30), st.floats(-30, -4.5), st.floats(30, 30 * 86400), st.floats(-30 * 86400, -30)))


@given(st.sampled_from([mpegts, rtmp]), st.integers(0, 2**33), SKEWS, st.sampled_from([0.2, 1.0, 10.0, 25.0]))
def test_audio_with_a_clock_of_its_own_is_aligned_to_the_video(
    make: Callable[[], Timeline], start: int, skew_s: float, fps: float
) -> None:
    timeline = make()
    ticks = timeline.tracks[VIDEO].time_base.denominator
    video = [(number / fps, VIDEO) for number in range(max(20, int(15 * fps)))]
    sound = [(number / 40, AUDIO) for number in range(int(40 * video[-1][0]))]
    placed: list[tuple[float, float]] = []
    reached = 0.0
    for at, index in sorted(video + sound):
        stamp = start + round((at + (skew_s if index == AUDIO else 0.0)) * ticks)
        found = timeline.place(index, stamp, stamp)
        if index == VIDEO:
            assert isinstance(found, Placed)
        elif isinstance(found, Placed):
            placed.append((at, found.dts / timeline.tracks[AUDIO].rate))
        reached = at
    if fps < 1:  # the pictures are too far apart to tell the two clocks
        return
    assert placed
    assert placed[0][0] < 5
    assert len(placed) > 40 * (reached - 6)
    assert all(abs(at - shown) < 1.5 for at, shown in placed)
    assert timeline.aligned is not None or abs(skew_s) > 2**32 / 1000


@given(st.sampled_from([mpegts, rtmp]), SKEWS)
def test_audio_that_was_aligned_stays_so_in_the_next_recording(make: Callable[[], Timeline], skew_s: float) -> None:
    timeline = make()
    ticks = timeline.tracks[VIDEO].time_base.denominator

    def play(begin_s: float, seconds: float) -> list[bool]:
        kept = []
        for number in range(int(seconds * 25)):
            at = begin_s + number / 25
            timeline.place(VIDEO, round((40 * 86400 + at) * ticks), None)
            sound = timeline.place(AUDIO, round((40 * 86400 + at + skew_s) * ticks), None)
            kept.append(isinstance(sound, Placed))
        return kept

    assert not play(0.0, 1.0)[0]
    assert play(1.0, 5.0)[-1]
    timeline.restart()
    assert all(play(6.0, 2.0))


def test_audio_that_was_aligned_stays_so_with_another_sample_rate() -> None:
    timeline = mpegts()

    def play(begin_s: int, seconds: int) -> list[tuple[float, float]]:
        """The times at which audio was sent and those where it was placed, in seconds."""
        placed = []
        for number in range(begin_s * 25, (begin_s + seconds) * 25):
            timeline.place(VIDEO, number * 3600, None)
            found = timeline.place(AUDIO, number * 3600 + 3600 * 90_000, None)
            if isinstance(found, Placed):
                placed.append((number / 25, found.dts / timeline.tracks[AUDIO].rate))
        return placed

    before = play(0, 8)[-1]
    timeline.replace(AUDIO, Track(Fraction(1, 90000), 44_100))
    after = play(8, 4)
    assert len(after) == 100
    assert all(shown - at == pytest.approx(before[1] - before[0], abs=0.001) for at, shown in after)


@pytest.mark.parametrize("pts_later", [0, 100], ids=["followed", "examined"])
def test_single_packets_that_are_far_off_do_not_move_their_track(pts_later: int) -> None:
    timeline = rtmp()
    for number in range(20 * 25):
        at = 1000 + number * 40
        assert isinstance(timeline.place(VIDEO, at, at), Placed)
        # Presentation before decoding takes the way of unusual packets.
        assert isinstance(timeline.place(AUDIO, at, at - pts_later), Placed)
        if number % 75 == 0:
            assert timeline.place(AUDIO, at + 3_600_000, None) is PacketVerdict.DROP
    assert timeline.aligned is None


@pytest.mark.parametrize("skew_s", [-9.0, -2.5, 2.5, 9.0])
def test_audio_that_is_placed_already_may_come_earlier_or_later(skew_s: float) -> None:
    timeline = mpegts()
    for number in range(60 * 25):
        at = 100.0 + number / 25
        timeline.place(VIDEO, round(at * 90_000), None)
        found = timeline.place(AUDIO, round((at + min(1.0, number / 500) * skew_s) * 90_000), None)
        assert isinstance(found, Placed)
        assert found.dts / 48_000 - number / 25 == pytest.approx(min(1.0, number / 500) * skew_s, abs=0.01)
    assert timeline.aligned is None


def test_audio_that_catches_up_with_the_video_is_not_taken_for_another_clock() -> None:
    timeline = mpegts()
    timeline.place(VIDEO, 100 * 90_000, 100 * 90_000)
    for number in range(60 * 40):  # a minute of older audio, which arrives at once
        at = 40 * 90_000 + number * 2250
        assert timeline.place(AUDIO, at, at) is not PacketVerdict.JUMP
    assert timeline.aligned is None
    assert isinstance(timeline.place(AUDIO, 100 * 90_000 + 1, None), Placed)


@given(
    st.sampled_from([mpegts, rtmp]),
    st.lists(
        st.one_of(
            st.tuples(st.just("steady"), st.floats(0.01, 5)),
            st.tuples(st.just("apart"), st.floats(5, 300)),
            st.tuples(st.just("again"), st.just(0.0)),
            st.tuples(st.just("jump"), st.floats(20, 10**6)),
            st.tuples(st.just("jump"), st.floats(-(10**6), -2)),
        ),
        max_size=40,
    ),
)
def test_every_picture_but_one_per_jump_is_recorded(
    make: Callable[[], Timeline], steps: list[tuple[str, float]]
) -> None:
    timeline = make()
    ticks = timeline.tracks[VIDEO].time_base.denominator
    at, lost = 40 * 86400.0, 0
    timeline.place(VIDEO, round(at * ticks), None)
    for kind, step in steps:
        at = max(at + step, 0.0)
        waited = step if kind in ("steady", "apart") else 0.04
        for number in range(3):  # a picture, and two that follow it
            stamp = round((at + number * 0.04) * ticks)
            found = timeline.place(VIDEO, stamp, stamp, waited if number == 0 else 0.04)
            if found is PacketVerdict.JUMP:
                timeline.restart()
                assert kind == "jump"
                assert isinstance(timeline.place(VIDEO, stamp, stamp), Placed)
            elif not isinstance(found, Placed):
                lost += kind != "jump"
        at += 0.08
    assert lost == 0


def test_sound_goes_on_after_a_long_silence() -> None:
    timeline = mpegts()
    feed(timeline, [(VIDEO, 0, 0), (AUDIO, 0, 0)])
    feed(timeline, [(VIDEO, n * 90000, None) for n in range(1, 60)])
    assert timeline.place(AUDIO, 59 * 90000, None) == Placed(59 * 48000, 59 * 48000)


def test_presentation_before_decoding_and_far_after_it_are_mended() -> None:
    timeline = mpegts()
    assert feed(timeline, [(VIDEO, 0, 0), (VIDEO, 3000, 2000), (VIDEO, 6000, 900_000)]) == [
        Placed(0, 0),
        Placed(3000, 3000),
        Placed(6000, 6000),
    ]


def test_the_first_rtsp_pictures_get_the_times_they_did_not_bring() -> None:
    # Measured: keyframe without any time, two reordered pictures without a decode time, then one with both.
    assert backdate([None, -141240, -147240], -147240, 3000) == [
        (-156240, -150240),
        (-153240, -141240),
        (-150240, -147240),
    ]
    assert backdate([None], 416, 3000) == [(-2584, -2584)]
    assert backdate([], 0, 3000) == []


def test_pictures_that_are_minutes_apart_are_placed_where_they_arrived() -> None:
    timeline = mpegts()
    placed = [timeline.place(VIDEO, n * 300 * 90_000, None, 300.0) for n in range(5)]
    assert placed == [Placed(n * 300 * 90_000, n * 300 * 90_000) for n in range(5)]
    assert timeline.place(VIDEO, 10**9, None, 1.0) is PacketVerdict.HOLD


def test_sound_continues_while_the_picture_stands_still() -> None:
    timeline = mpegts()
    feed(timeline, [(VIDEO, 0, 0)])
    placed = feed(timeline, [(AUDIO, n * 90_000, None) for n in range(60)])
    assert placed == [Placed(n * 48_000, n * 48_000) for n in range(60)]


def test_a_track_of_another_sample_rate_continues_at_the_same_time() -> None:
    timeline = mpegts()
    feed(timeline, [(VIDEO, 90_000, None), (AUDIO, 90_000, None), (VIDEO, 180_000, None), (AUDIO, 180_000, None)])
    timeline.replace(AUDIO, Track(Fraction(1, 90000), 44_100))
    assert timeline.place(AUDIO, 270_000, None) == Placed(88_200, 88_200)
    assert timeline.place(AUDIO, 270_000 + 2090, None) == Placed(89_224, 89_224)


def test_a_picture_that_is_shown_much_later_than_it_is_decoded_has_the_time_of_before_a_pause() -> None:
    base = Fraction(1, 90000)
    ticks = round(STALE_S / base)
    assert [is_stale(500, 500 + later, base) for later in (-ticks, 0, ticks, ticks + 1)] == [False, False, False, True]
    assert not is_stale(None, 10 * ticks, base)
    assert not is_stale(0, None, base)
    assert not is_stale(0, 10 * ticks, None)
