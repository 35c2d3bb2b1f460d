"""The outbox of webhooks against a list: every webhook is sent, in the order of its alert, until it ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtstream.rules.delivery import DELAYS_S, next_attempt, wait_s
from rtstream.store import deliveries
from tests.machines import LONG, add_alerts, close, memory, run

ALERTS = ["alert-1", "alert-2"]


@dataclass
class Sent:
    """A webhook as the model knows it."""

    alert_id: str
    seq: int
    created_at: float
    state: str = "pending"
    attempts: int = 0
    next_at: float = 0.0
    tried_at: float | None = None


class OutboxMachine(RuleBasedStateMachine):
    """Two alerts fire, receivers confirm or fail, the clock is set, and old webhooks are removed."""

    def __init__(self) -> None:
        super().__init__()
        self.conn = memory()
        add_alerts(self.conn, *ALERTS)
        self.conn.commit()
        self.known: dict[str, Sent] = {}
        self.seq = 0
        self.now = 1e9

    def teardown(self) -> None:
        close(self.conn)

    def pending(self, alert_id: str) -> list[str]:
        own = [(one.seq, key) for key, one in self.known.items() if one.alert_id == alert_id]
        return [key for _, key in sorted(own) if self.known[key].state == "pending"]

    @rule(alert_id=st.sampled_from(ALERTS), committed=st.booleans())
    def fire(self, alert_id: str, committed: bool) -> None:
        self.seq += 1
        key = f"msg-{self.seq}"
        values = {"url": "http://h", "payload": {}, "state": "pending", "attempts": 0}
        times = {"next_at": self.now, "created_at": self.now}
        deliveries.insert(self.conn, {"id": key, "alert_id": alert_id, "seq": self.seq, **values, **times})
        if committed:
            self.conn.commit()
            self.known[key] = Sent(alert_id, self.seq, self.now, next_at=self.now)
        else:
            self.conn.rollback()

    @rule(alert_id=st.sampled_from(ALERTS), works=st.booleans(), jitter=st.floats(0, 1), gone=st.booleans())
    def attempt(self, alert_id: str, works: bool, jitter: float, gone: bool) -> None:
        """The lane of an alert sends its oldest webhook, if that is due."""
        row = next(iter(deliveries.pending(self.conn, [alert_id], 1)), None)
        mine = self.pending(alert_id)
        assert (row.id if row else None) == (mine[0] if mine else None)
        if row is None:
            return
        one = self.known[row.id]
        assert (row.attempts, row.next_at, row.attempted_at) == (one.attempts, one.next_at, one.tried_at)
        wait = wait_s(row.next_at, self.now, row.attempted_at)
        if wait > 0:
            assert one.tried_at is not None
            assert one.tried_at <= self.now < one.next_at
            return
        retry_at = None if works or gone else next_attempt(one.attempts + 1, self.now, jitter)
        one.state = "delivered" if works else "pending" if retry_at is not None else "dead"
        one.next_at = self.now if retry_at is None else retry_at
        one.attempts, one.tried_at = one.attempts + 1, max(self.now, one.tried_at or 0.0)
        result = {"delivery_id": row.id, "at": self.now, "status": 200 if works else 500, "latency_s": 0.0}
        deliveries.store_attempts(self.conn, [{**result, "error": "", "state": one.state, "next_at": one.next_at}])
        self.conn.commit()

    @rule(step_s=st.sampled_from([-3600.0, -5.0, 1.0, 3.0, 60.0, 3600.0, 86400.0]))
    def time_passes_or_the_clock_is_set(self, step_s: float) -> None:
        self.now += step_s

    @rule(alert_id=st.sampled_from(ALERTS))
    def send_dead_ones_again(self, alert_id: str) -> None:
        dead = [one for one in self.known.values() if one.alert_id == alert_id and one.state == "dead"]
        assert deliveries.retry(self.conn, alert_id, None, self.now) == len(dead)
        self.conn.commit()
        for one in dead:
            one.state, one.attempts, one.next_at = "pending", 0, self.now

    @rule(age_s=st.sampled_from([0.0, 100.0, 1e6]), most=st.integers(0, 4))
    def trim(self, age_s: float, most: int) -> None:
        deliveries.trim(self.conn, self.now - age_s, most, 1000)
        self.conn.commit()
        for key, one in list(self.known.items()):
            if one.state != "pending" and one.created_at < self.now - age_s:
                del self.known[key]
        for alert_id in ALERTS:
            mine = self.pending(alert_id)
            for key in mine[: max(0, len(mine) - most)]:
                self.known[key].state = "dead"

    @rule()
    def a_deleted_webhook_is_not_stored_again(self) -> None:
        result = {"delivery_id": "msg-gone", "at": self.now, "status": 200, "latency_s": 0.0, "error": ""}
        deliveries.store_attempts(self.conn, [{**result, "state": "delivered", "next_at": 0.0}])
        self.conn.commit()

    @invariant()
    def the_states_are_those_of_the_model(self) -> None:
        counts: dict[str, dict[str, int]] = {}
        for one in self.known.values():
            own = counts.setdefault(one.alert_id, {})
            own[one.state] = own.get(one.state, 0) + 1
        assert deliveries.states(self.conn, ALERTS) == counts
        waiting = {one.alert_id for one in self.known.values() if one.state == "pending"}
        assert set(deliveries.waiting(self.conn)) == waiting


def test_the_outbox_behaves_like_a_list() -> None:
    run(OutboxMachine)


def test_a_failing_webhook_is_tried_as_often_as_its_schedule_says() -> None:
    now, tries = 0.0, 0
    at: float | None = now
    while at is not None:
        now, tries = at, tries + 1
        at = next_attempt(tries, now, 0.0)
    assert tries == len(DELAYS_S) + 1


@pytest.mark.long
def test_the_outbox_behaves_like_a_list_for_long() -> None:
    run(OutboxMachine, LONG)
