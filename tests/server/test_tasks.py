"""Clients that accept tasks get one for a long export or transcription; all others get the id of the job."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client import advertise
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    EmptyResult,
    Request,
    RequestParams,
    Result,
)

from rtstream.client import RTStreamClient
from rtstream.engine.jobs import Job, JobSubject
from rtstream.errors import Unavailable
from rtstream.models import JobKind
from server.mcp_server import create_endpoint
from tests.rtstream.client.test_videos import add_video
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream
from tests.server.mcp_servers import KEY, USUAL, WAYS, Era, Served, Transport, call, connected
from tests.waiting import eventually
from tools._framework import job_wait
from tools._framework.job_wait import TASKS

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio


class TaskId(RequestParams):
    task_id: str


class TaskAnswers(TaskId):
    input_responses: dict[str, Any]


class GetTask(Request[TaskId, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class CancelTask(Request[TaskId, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class UpdateTask(Request[TaskAnswers, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class TaskState(Result):
    """A task, with its result once it is completed."""

    result_type: str
    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int
    result: dict[str, Any] | None = None


class CreatedTask(Result):
    """The response in place of a result."""

    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str
    ttl_ms: int | None
    poll_interval_ms: int


async def state_of(session: Any, task_id: str) -> TaskState:
    return await session.send_request(GetTask(params=TaskId(task_id=task_id)), TaskState)


class Accepting(ClientExtension):
    """A client that accepts tasks and polls them until they end."""

    identifier = TASKS

    def __init__(self) -> None:
        self.created: list[CreatedTask] = []
        self.states: list[TaskState] = []
        self.begun = anyio.Event()

    def claims(self) -> list[ResultClaim[CreatedTask]]:
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self._resolve)]

    async def _resolve(self, task: CreatedTask, ctx: ClaimContext) -> CallToolResult:
        self.created.append(task)

        async def poll() -> TaskState:
            self.states.append(await state_of(ctx.session, task.task_id))
            self.begun.set()
            return self.states[-1]

        ended = await eventually(poll, lambda state: state.status == "completed")
        return CallToolResult.model_validate(ended.result)


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Path:
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))


async def test_the_end_of_a_failed_job_is_a_result_that_is_an_error(served: Served) -> None:
    async def fail(job: Job) -> str:
        raise Unavailable("The disk is full.")

    async def succeed(job: Job) -> str:
        return "m-0000000000000000"  # a video that was deleted since

    ended: dict[str, TaskState] = {}
    async with Client(create_endpoint(RTStreamClient(served.url, KEY)).mcp, extensions=[Accepting()]) as client:
        for work in (fail, succeed):
            job = served.engine.jobs.start(work, JobSubject(JobKind.EXPORT, "Door", "rts-1"))
            await job.wait(10)
            ended[work.__name__] = await state_of(client.session, job.id)
    for name, sentence in (("fail", "The disk is full."), ("succeed", "m-0000000000000000")):
        state = ended[name]
        assert (state.status, state.result_type) == ("completed", "complete")
        assert state.result is not None
        assert state.result["isError"]
        assert sentence in state.result["content"][0]["text"]
        assert state.ttl_ms is not None
        assert 3_600_000 <= state.ttl_ms < 3_700_000


async def test_a_task_is_cancelled_and_takes_no_input(served: Served) -> None:
    async def wait(job: Job) -> str:
        job.begin()
        await anyio.sleep_forever()
        return ""

    job = served.engine.jobs.start(wait, JobSubject(JobKind.SPOKEN_WORDS, "Door", video_id="m-1"))
    await anyio.wait_all_tasks_blocked()
    mcp = create_endpoint(RTStreamClient(served.url, KEY)).mcp
    async with Client(mcp, extensions=[Accepting()]) as client:
        send = client.session.send_request
        state = await state_of(client.session, job.id)
        assert (state.status, state.ttl_ms, state.result) == ("working", None, None)
        assert state.status_message == "spoken_words: running, 0 %."
        await send(UpdateTask(params=TaskAnswers(task_id=job.id, input_responses={"x": {}})), EmptyResult)
        for _ in range(2):
            await send(CancelTask(params=TaskId(task_id=job.id)), EmptyResult)
        assert (await state_of(client.session, job.id)).status == "cancelled"
        unknown = TaskId(task_id="job-0")
        answers = TaskAnswers(task_id="job-0", input_responses={})
        for request in (GetTask(params=unknown), CancelTask(params=unknown), UpdateTask(params=answers)):
            with pytest.raises(MCPError, match="no such task") as refused:
                await send(request, EmptyResult)
            assert refused.value.code == INVALID_PARAMS


@pytest.mark.parametrize(("era", "code"), [("auto", MISSING_REQUIRED_CLIENT_CAPABILITY), ("legacy", METHOD_NOT_FOUND)])
async def test_a_client_without_the_extension_has_no_tasks(served: Served, era: Era, code: int) -> None:
    extensions = [advertise(TASKS)] if era == "legacy" else []
    mcp = create_endpoint(RTStreamClient(served.url, KEY)).mcp
    async with Client(mcp, mode=era, extensions=extensions) as client:
        with pytest.raises(MCPError) as refused:
            await state_of(client.session, "job-0")
        assert refused.value.code == code


async def test_the_header_of_a_request_names_its_task(served: Served) -> None:
    video_id = await add_video(served)

    async def work(job: Job) -> str:
        return video_id

    job = served.engine.jobs.start(work, JobSubject(JobKind.EXPORT, "Door", "rts-1"))
    await job.wait(10)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": job.id, "_meta": meta}}
    headers = {
        "authorization": f"Bearer {KEY}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tasks/get",
    }
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:
        for named, status in ((job.id, 200), ("job-other", 400), (None, 400)):
            more = {"mcp-name": named} if named else {}
            answer = await http.post("/mcp", json=asked, headers=more)
            assert answer.status_code == status, answer.text
            if status == 400:
                assert answer.json()["error"]["code"] == HEADER_MISMATCH
            else:
                assert video_id in answer.text


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")
@pytest.mark.parametrize(
    ("transport", "era"), [pytest.param(*way, marks=() if way in USUAL else pytest.mark.long) for way in WAYS]
)
async def test_a_long_export_is_a_task_for_a_client_that_accepts_it_and_a_job_for_others(
    served: Served, source: Path, transport: Transport, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_wait, "WAIT_S", 0.1)  # over stdio, the server is another process
    engine, arguments = served.engine, {"stream_id": STREAM, "start": START + 1, "end": START + 5}
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    turn = engine.exports._turn
    for _ in range(2):  # the export waits for its turn, as after two others
        await turn.acquire()
    accepting = Accepting()
    results: list[dict[str, Any]] = []

    async def export(client: Client) -> None:
        results.append(await call(client, "export_stream", **arguments))
        accepting.begun.set()

    async with connected(served, transport, era, extensions=[accepting]) as client:
        declared = (client.server_capabilities.extensions or {}) if era == "auto" else {TASKS: {}}
        assert TASKS in declared
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(export, client)
            with anyio.fail_after(30):
                await accepting.begun.wait()
            turn.release()
            turn.release()
        [job] = engine.jobs.list(10)
        await job.wait(30)
        again = await call(client, "export_stream", **arguments)
    if era == "legacy":
        assert (results[0]["job_id"], accepting.created) == (job.id, [])
        return
    assert [task.task_id for task in accepting.created] == [job.id]
    assert (accepting.created[0].status, accepting.created[0].ttl_ms) == ("working", None)
    assert accepting.states[-1].status == "completed"
    assert {**results[0], "note": None} == {**again, "note": None}
