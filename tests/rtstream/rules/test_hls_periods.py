"""A playlist is cut where its init segment changes, and nothing of it is lost or read twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.hls_periods import discontinuities, ended_before, period_of


def playlist(inits: str, first: int = 0, *, ended: bool = False) -> str:
    """A playlist whose segments have these init segments, one letter each."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    before = ""
    for number, init in enumerate(inits, first):
        if init != before:
            lines += ["#EXT-X-DISCONTINUITY"] * bool(before) + [f'#EXT-X-MAP:URI="{init}.mp4"']
        before = init
        lines += ["#EXTINF:2,", f"{number}.m4s"]
    return "\n".join([*lines, *["#EXT-X-ENDLIST"] * ended, ""])


def listed(text: str) -> list[str]:
    return [line.removesuffix(".m4s") for line in text.splitlines() if line.endswith(".m4s")]


def test_a_playlist_with_one_init_segment_is_left_as_it_is() -> None:
    assert period_of(playlist("aaa"), None).text == playlist("aaa")


def test_a_live_playlist_is_read_from_its_newest_period() -> None:
    period = period_of(playlist("aabbb", 7), None)
    assert listed(period.text) == ["9", "10", "11"]
    assert (period.start, period.following) == (9, None)
    assert "#EXT-X-MEDIA-SEQUENCE:9" in period.text
    assert "ENDLIST" not in period.text
    assert period.text.count("#EXT-X-MAP") == 1


def test_a_live_playlist_that_gets_another_init_segment_ends_with_the_one_it_began_with() -> None:
    begin = period_of(playlist("aa", 7), None).start
    period = period_of(playlist("aab", 7), begin)
    assert listed(period.text) == ["7", "8"]
    assert period.following == 9
    assert "#EXT-X-ENDLIST" in period.text


def test_a_period_that_is_over_ends_and_names_the_next_one() -> None:
    period = period_of(playlist("aabbbaa", 7), 9)
    assert listed(period.text) == ["9", "10", "11"]
    assert period.following == 12
    assert "#EXT-X-ENDLIST" in period.text


@given(st.text("ab", min_size=1, max_size=30), st.integers(0, 1000))
def test_the_periods_of_an_ended_playlist_are_all_of_its_segments(inits: str, first: int) -> None:
    text, seen, begin = playlist(inits, first, ended=True), [], None
    while True:
        period = period_of(text, begin)
        seen += listed(period.text)
        if period.following is None:
            break
        begin = period.following
    assert seen == [str(number) for number in range(first, first + len(inits))]


@given(st.text(max_size=300), st.one_of(st.none(), st.integers(0, 10)))
def test_any_text_leads_to_a_period_that_ends_later_than_it_begins(text: str, begin: int | None) -> None:
    for playlist in (text, "#EXTINF\n#EXT-X-MAP\n#EXT-X-MAP\n" + text + "\nx.m4s"):
        following = period_of(playlist, begin).following
        assert following is None or following > (begin or 0)


BROKEN = """#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:2,
http://cam/7.ts
#EXT-X-DISCONTINUITY
#EXTINF:2,
http://cam/8.ts
#EXTINF:2,
http://cam/9.ts
"""


def test_segments_behind_a_discontinuity_are_found() -> None:
    assert discontinuities(BROKEN) == {"http://cam/8.ts": 8}
    assert discontinuities(BROKEN.replace("#EXT-X-DISCONTINUITY\n", "")) == {}


def test_a_playlist_can_end_before_any_of_its_segments() -> None:
    ended = ended_before(BROKEN, 8)
    assert [line for line in ended.splitlines() if not line.startswith("#")] == ["http://cam/7.ts"]
    assert "#EXT-X-MEDIA-SEQUENCE:7" in ended
    assert ended.endswith("#EXT-X-ENDLIST\n")
    assert "http" not in ended_before(BROKEN, 7)
    assert "#EXT-X-MEDIA-SEQUENCE:5" in ended_before(BROKEN, 5)


def live(first: int, init: str, count: int = 3) -> str:
    entries = "".join(f"#EXTINF:2,\n{number}.m4s\n" for number in range(first, first + count))
    return f'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI="{init}"\n{entries}'


def test_a_playlist_that_advanced_past_the_change_ends_the_period_that_is_read() -> None:
    first = period_of(live(5, "a.mp4"), None)
    assert first.newest == (7, '#EXT-X-MAP:URI="a.mp4"')
    second = period_of(live(8, "b.mp4"), first.start, first.newest)
    assert second.text == "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:8\n#EXT-X-ENDLIST\n"
    assert second.following == 8
    again = period_of(live(8, "b.mp4"), second.following)
    assert "#EXT-X-ENDLIST" not in again.text
    assert again.text.count("#EXTINF") == 3


def test_a_playlist_that_skips_segments_of_the_same_init_segment_continues() -> None:
    first = period_of(live(5, "a.mp4"), None)
    later = period_of(live(20, "a.mp4"), first.start, first.newest)
    assert (later.following, later.newest) == (None, (22, '#EXT-X-MAP:URI="a.mp4"'))


def test_an_init_segment_whose_address_has_a_new_token_begins_no_period() -> None:
    first = period_of(live(5, "a.mp4?token=1"), None)
    later = period_of(live(6, "a.mp4?token=2"), first.start, first.newest)
    assert later.following is None
    assert later.text.count("#EXTINF") == 3
