"""When a recorder ends by itself, and when not."""

from __future__ import annotations

import math

import pytest

from rtstream.rules.recorder_limits import (
    GONE_S,
    RELEASED_S,
    UNATTENDED_S,
    Absence,
    FileIdentity,
    FolderState,
    folder_state,
    reason_to_end,
    restart_at,
)

KNOWN = FileIdentity(device=5, inode=100)


@pytest.mark.parametrize(
    ("absence", "reason"),
    [
        (Absence(0, UNATTENDED_S), ""),
        (Absence(UNATTENDED_S - 1, UNATTENDED_S), ""),
        (Absence(UNATTENDED_S, UNATTENDED_S), "no engine"),
        (Absence(RELEASED_S, RELEASED_S), "no engine"),
        (Absence(RELEASED_S - 0.1, RELEASED_S), ""),
        (Absence(GONE_S - 1, UNATTENDED_S, folder_gone_s=GONE_S - 1), ""),
        (Absence(GONE_S, UNATTENDED_S, folder_gone_s=GONE_S), "data folder"),
        (Absence(GONE_S - 1, UNATTENDED_S, program_gone_s=GONE_S - 1), ""),
        (Absence(GONE_S, UNATTENDED_S, program_gone_s=GONE_S), "program"),
        (Absence(1, UNATTENDED_S, socket_lost=True), "socket"),
    ],
)
def test_a_recorder_without_an_engine_ends_at_its_limits_only(absence: Absence, reason: str) -> None:
    found = reason_to_end(absence)
    assert (reason in found) if reason else found == ""


@pytest.mark.parametrize(
    ("found", "parent_device", "state"),
    [
        (KNOWN, 5, FolderState.PRESENT),
        (None, 5, FolderState.GONE),  # removed or renamed
        (None, 1, FolderState.UNREACHABLE),  # its disk is not mounted
        (None, None, FolderState.UNREACHABLE),
        (FileIdentity(5, 101), 5, FolderState.GONE),  # removed and created again
        (FileIdentity(1, 2), 1, FolderState.UNREACHABLE),  # the empty folder on which its disk was mounted
        (FileIdentity(6, 100), 1, FolderState.UNREACHABLE),  # another disk in its place
    ],
)
def test_an_unmounted_disk_is_no_removed_folder(
    found: FileIdentity | None, parent_device: int | None, state: FolderState
) -> None:
    assert folder_state(KNOWN, found, parent_device) is state


def test_a_crashed_engine_is_started_again_five_times_at_doubling_distances() -> None:
    assert [restart_at(attempt) for attempt in range(7)] == [20.0, 60.0, 140.0, 300.0, 620.0, math.inf, math.inf]


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 20), (1, 60), (2, 140), (3, 300), (4, 620), (5, math.inf)])
def test_the_times_between_two_restarts_double(attempt: int, seconds: float) -> None:
    assert restart_at(attempt) == seconds
