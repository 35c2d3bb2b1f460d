"""Private sockets: only this user reaches them, however long the path of the data folder is."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED, connect, listen, peer, private_folder, trusted

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.mark.parametrize("length", [10, 107, 108, 400])
def test_a_socket_works_however_long_its_path_is(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder)) < length:
        folder /= "x" * min(200, max(1, length - len(str(folder)) - 1))
    private_folder(folder)
    with closing(listen(folder, "a.sock")) as listener, closing(connect(folder, "a.sock")) as near:
        far, _ = listener.accept()
        with closing(far):
            near.sendall(b"hello")
            assert far.recv(5) == b"hello"
            assert peer(near) == peer(far) == (os.getpid(), os.geteuid())
    assert stat.S_IMODE((folder / "a.sock").stat().st_mode) == 0o600


def test_the_socket_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    listen(tmp_path, "a.sock").close()
    with pytest.raises(ConnectionRefusedError):
        connect(tmp_path, "a.sock")
    with closing(listen(tmp_path, "a.sock")):
        connect(tmp_path, "a.sock").close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_folder_that_others_may_enter_becomes_private(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        private_folder(tmp_path / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_recognised_even_where_the_modes_are_open() -> None:
    with tempfile.TemporaryDirectory() as name, closing(listen(Path(name), "a.sock")) as listener:
        Path(name).chmod(0o755)
        (Path(name) / "a.sock").chmod(0o777)
        listener.settimeout(10)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                near = connect(Path(name), "a.sock")  # root, who listens, is trusted
                os._exit(0 if near.recv(1) == b"x" else 1)
            finally:
                os._exit(2)
        far, _ = listener.accept()
        with closing(far):
            assert peer(far) == (child, 65534)
            assert not trusted(far)
            far.sendall(b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_cannot_enter_the_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    private_folder(run)
    with closing(listen(run, "a.sock")):
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                connect(run, "a.sock")
            except PermissionError:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
