"""Errors carry what a client needs to react."""

from __future__ import annotations

from rtstream.errors import DatabaseUnavailable, RTStreamError, TooManyAttempts


def kinds(base: type[RTStreamError] = RTStreamError) -> list[type[RTStreamError]]:
    return [
        kind
        for child in base.__subclasses__()
        if child.__module__ == "rtstream.errors"
        for kind in (child, *kinds(child))
    ]


def test_each_kind_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in kinds() if kind.__name__ != "InvalidRequest"]
    assert len(codes) >= 7
    assert len({*codes, RTStreamError.code}) == len(codes) + 1


def test_a_database_error_says_that_recordings_continue_and_what_to_do() -> None:
    error = DatabaseUnavailable("The disk is full.", "Free some space.", disk_full=True)
    assert str(error) == "The disk is full. Recordings continue. Free some space."
    assert str(DatabaseUnavailable("It is locked.")) == "It is locked. Recordings continue."
    assert (error.disk_full, error.damaged, error.retry_after_s) == (True, False, 10.0)
    assert TooManyAttempts("Wait.", 7.0).retry_after_s == 7.0
