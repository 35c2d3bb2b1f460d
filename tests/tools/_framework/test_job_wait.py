"""The longest wait of a call for a job depends on its client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp_types import ClientCapabilities

from tools._framework import job_wait


def session(version: str, **extensions: dict[str, Any]) -> Any:
    capabilities = ClientCapabilities(extensions=extensions or None)
    return SimpleNamespace(protocol_version=version, client_capabilities=capabilities)


@pytest.mark.anyio
async def test_the_call_of_a_client_that_accepts_tasks_waits_briefly() -> None:
    accepting = session("2026-07-28", **{job_wait.TASKS: {}})
    assert job_wait.accepts_tasks(accepting)
    others = (session("2025-11-25", **{job_wait.TASKS: {}}), session("2026-07-28"), session("2026-07-28", other={}))
    assert not any(job_wait.accepts_tasks(one) for one in others)
    for one, longest in ((accepting, job_wait.TASK_WAIT_S), (others[0], job_wait.WAIT_S)):
        ctx = cast("Any", SimpleNamespace(request_context=SimpleNamespace(session=one)))
        left = job_wait.seconds_until(job_wait.job_deadline(ctx))
        assert longest - 0.5 < left <= longest < 15
    assert job_wait.seconds_until(0.0) == 0.0
