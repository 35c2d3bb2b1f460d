"""Under random faults, all frames that were sent while a recorder lived are recorded, analysed and delivered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED
from tests.faults.injection import possible
from tests.faults.plan import Kind, draw
from tests.faults.rig import running
from tests.faults.run import perform, table

SEED = 15
KINDS = [
    Kind.ENGINE_KILLED,
    Kind.ENGINE_ENDED,
    Kind.DATABASE_LOCKED,
    Kind.RECORDER_KILLED,
    Kind.NETWORK_CLOSED,
    Kind.CLOCK_STEPPED,
]


@pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")
def test_random_faults_cost_nothing_that_is_promised(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    with running(tmp_path, streams=2, clips=pytestconfig.cache.mkdir("clips")) as rig:
        kinds, left_out = possible(rig, KINDS)
        print(*left_out, sep="\n")
        plan = draw(SEED, len(kinds), kinds, longest_s=3.0, pause_s=3.0)
        report = perform(rig, plan, print)
        print(table(report, rig))
        assert report.violations() == []
