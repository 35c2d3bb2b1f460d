import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import Picture, ProviderError, VisionRequest
from rtstream.perception.vision.local import LocalVision

pytestmark = pytest.mark.anyio
Draw = Callable[..., bytes]


def request(*jpegs: bytes) -> VisionRequest:
    pictures = [Picture(100.0 + n, jpeg, 1280, 720) for n, jpeg in enumerate(jpegs)]
    return VisionRequest("Describe the screen", pictures, "session")


async def test_the_provider_reads_a_screen_in_its_child_process(screen: Draw) -> None:
    pytest.importorskip("rapidocr", reason='needs the extra "local"')
    vision = LocalVision()
    try:
        with anyio.fail_after(60):
            answer = await vision.describe(request(screen(["Invoice 4711"])))
            again = await vision.describe(request(screen(["Invoice 4711"])))
    finally:
        await vision.aclose()
    assert (answer.model, [line.text for line in answer.lines]) == ("local", ["Invoice 4711"])
    assert not again.changes.changed


async def test_a_broken_picture_costs_one_answer(screen: Draw) -> None:
    vision = LocalVision(read_text=False)
    try:
        with anyio.fail_after(30):
            with pytest.raises(ProviderError, match="could not be decoded"):
                await vision.describe(request(b"no picture"))
            with pytest.raises(ProviderError, match="contains no picture"):
                await vision.describe(request())
            assert "Text on screen was not read." in (await vision.describe(request(screen([])))).text
    finally:
        await vision.aclose()


async def test_a_killed_child_is_replaced() -> None:
    child = ChildProcess("The worker", int)
    try:
        with anyio.fail_after(30):
            pid = await child.run(os.getpid, timeout_s=20)
            assert pid != os.getpid()
            with pytest.raises(ProviderError, match="The worker crashed"):
                await child.run(os.kill, pid, signal.SIGKILL, timeout_s=20)
            assert await child.run(os.getpid, timeout_s=20) not in (pid, os.getpid())
    finally:
        await child.aclose()


async def test_a_hanging_child_is_replaced() -> None:
    child = ChildProcess("The worker", int)
    try:
        with anyio.fail_after(30):
            pid = await child.run(os.getpid, timeout_s=20)
            with pytest.raises(ProviderError, match=r"did not respond within 0\.2 s"):
                await child.run(select.select, [], [], [], 60, timeout_s=0.2)
            assert await child.run(os.getpid, timeout_s=20) != pid
    finally:
        await child.aclose()


async def test_work_is_done_in_the_order_asked() -> None:
    child = ChildProcess("The worker", int)
    done: list[tuple[int, int]] = []

    async def work(n: int) -> None:
        done.append(await child.run(divmod, n, 1, timeout_s=20))

    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for n in range(4):
                    tasks.start_soon(work, n)
    finally:
        await child.aclose()
    assert done == [(0, 0), (1, 0), (2, 0), (3, 0)]


async def test_those_who_wait_for_their_turn_are_bounded_and_let_go_at_the_end() -> None:
    child = ChildProcess("The worker", int)
    let_go: list[str] = []

    async def work() -> None:
        with pytest.raises(ProviderError) as failure:
            await child.run(select.select, [], [], [], 60, timeout_s=50)
        let_go.append(str(failure.value))

    with anyio.fail_after(30):
        await child.run(os.getpid, timeout_s=20)
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(ProviderError, match="is overloaded"):
                await child.run(os.getpid, timeout_s=20, max_waiting=3)
            await child.aclose()
    assert len(let_go) == 4


async def test_a_caller_may_leave_and_closing_ends_even_busy_children() -> None:
    child = ChildProcess("The worker", int)
    with anyio.fail_after(30):
        pid = await child.run(os.getpid, timeout_s=20)
        with anyio.move_on_after(0.1) as left:
            await child.run(select.select, [], [], [], 60, timeout_s=50)
        assert left.cancelled_caught
        await child.aclose()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(ProviderError, match="has been stopped"):
            await child.run(os.getpid, timeout_s=20)


PARENT = """
import asyncio, os, signal
from rtstream.perception.child_process import ChildProcess

async def main():
    child = ChildProcess("The worker", int)
    print(await child.run(os.getpid, timeout_s=20), flush=True)
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches the child with a Linux pidfd")
async def test_the_child_ends_with_its_parent_and_ignores_ctrl_c(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "parent.py")
    with open(script, "w") as file:
        file.write(PARENT)
    with anyio.fail_after(30):
        parent = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert parent.stdin
        assert parent.stdout
        with parent.stdin, parent.stdout:
            pid = int(await anyio.to_thread.run_sync(parent.stdout.readline))
            child = os.pidfd_open(pid)
            try:
                os.kill(pid, signal.SIGINT)
                ended, _, _ = select.select([child], [], [], 0.3)
                assert not ended
                await anyio.to_thread.run_sync(partial(parent.stdin.write, b"x"))
                parent.stdin.flush()
                await anyio.wait_readable(child)
            finally:
                os.close(child)
                parent.kill()
                parent.wait()


def test_the_engine_process_imports_no_picture_library() -> None:
    code = (
        "import sys; from rtstream.config import EngineConfig; from rtstream.perception import registry; "
        "c = EngineConfig(); registry.vision(None, c); registry.language(None, c); registry.screen_text(c); "
        "print([m for m in ('numpy', 'PIL', 'cv2', 'simplejpeg', 'rapidocr', 'onnxruntime') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
