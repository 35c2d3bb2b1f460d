"""The journal against a list: numbered without a gap, read once by each cursor, and never numbered again."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtstream.store import journal
from rtstream.store.journal import Entry, Filter
from tests.machines import LONG, close, memory, run

CHANNELS = ["alert", "health", "scene_index"]
entries = st.builds(
    lambda channel, stream, text: Entry(channel, {"text": text}, stream_id=stream, at=0.0),
    st.sampled_from(CHANNELS),
    st.sampled_from(["rts-1", "rts-2"]),
    st.text("ab%_\\", max_size=3),
)


class JournalMachine(RuleBasedStateMachine):
    """Writers, two readers with cursors, transactions that fail, and the removal of old entries."""

    def __init__(self) -> None:
        super().__init__()
        self.conn = memory()
        self.written: list[tuple[int, Entry]] = []
        self.kept_from = 0
        self.cursors = [0, 0]

    def teardown(self) -> None:
        close(self.conn)

    def note(self, numbers: list[int], some: list[Entry]) -> None:
        last = self.written[-1][0] if self.written else 0
        assert numbers == list(range(last + 1, last + 1 + len(some)))
        self.written += zip(numbers, some, strict=True)

    @rule(entry=entries)
    def append(self, entry: Entry) -> None:
        self.note([journal.append(self.conn, entry)], [entry])
        self.conn.commit()

    @rule(some=st.lists(entries, max_size=4))
    def append_together(self, some: list[Entry]) -> None:
        self.note(journal.append_all(self.conn, some), some)
        self.conn.commit()

    @rule(some=st.lists(entries, min_size=1, max_size=3))
    def fail(self, some: list[Entry]) -> None:
        journal.append_all(self.conn, some)
        self.conn.rollback()

    @rule(keep=st.integers(0, 6))
    def trim(self, keep: int) -> None:
        journal.trim(self.conn, keep)
        self.conn.commit()
        if self.written:
            self.kept_from = max(self.kept_from, self.written[-1][0] - keep)

    @rule(reader=st.integers(0, 1), limit=st.integers(1, 5))
    def read(self, reader: int, limit: int) -> None:
        found = [row.seq for _, row in journal.after(self.conn, self.cursors[reader], Filter(), limit)]
        left = [seq for seq, _ in self.written if seq > max(self.cursors[reader], self.kept_from)]
        assert found == left[:limit]
        self.cursors[reader] = found[-1] if found else self.cursors[reader]

    @rule(stream=st.sampled_from(["rts-1", "rts-2"]), channel=st.sampled_from(CHANNELS), limit=st.integers(1, 5))
    def read_a_part(self, stream: str, channel: str, limit: int) -> None:
        which = Filter(streams=[stream], channels=[channel])
        matching = [
            seq
            for seq, entry in self.written
            if seq > self.kept_from and entry.stream_id == stream and entry.channel == channel
        ]
        assert [row.seq for _, row in journal.after(self.conn, 0, which, limit)] == matching[:limit]
        assert [row.seq for _, row in journal.newest(self.conn, which, limit)] == matching[-limit:]

    @rule(text=st.text("ab%_\\", min_size=1, max_size=2))
    def search(self, text: str) -> None:
        found = [row.seq for _, row in journal.after(self.conn, 0, Filter(text=text), 1000)]
        assert found == [seq for seq, entry in self.written if seq > self.kept_from and text in entry.data["text"]]

    @invariant()
    def the_ends_are_known(self) -> None:
        kept = [seq for seq, _ in self.written if seq > self.kept_from]
        assert journal.oldest(self.conn) == (kept[0] if kept else 0)
        if kept:
            assert journal.latest(self.conn) == kept[-1]


def test_the_journal_behaves_like_a_list() -> None:
    run(JournalMachine)


@pytest.mark.long
def test_the_journal_behaves_like_a_list_for_long() -> None:
    run(JournalMachine, LONG)
