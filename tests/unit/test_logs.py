"""The log: what is tried again and again costs a line now and then."""

import logging
import uuid

import pytest

from activities.signatures import UndecidedError
from hotline import logs


def failed(error: Exception, run: str) -> logging.LogRecord:
    """Return the record that Temporal's SDK makes of a failed task."""
    found = type(error), error, error.__traceback__
    return logging.LogRecord("sdk", logging.WARNING, __file__, 1, "Failed activation on %s", (run,), found)


def test_what_cannot_be_judged_is_told_in_one_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    run, error = uuid.uuid4().hex, UndecidedError("it is signed with key 6f746872")
    record = failed(error, run)
    assert logs.shorten(record)
    assert record.getMessage() == f"Failed activation on {run}: it is signed with key 6f746872"
    assert record.exc_info is None
    assert not logs.shorten(failed(error, run))
    assert logs.shorten(failed(error, "another"))
    monkeypatch.setattr(logs, "AGAIN_SECONDS", 0.0)
    assert logs.shorten(failed(error, run))


def test_any_other_failure_keeps_its_traceback() -> None:
    record = failed(ValueError("x"), "any")
    assert logs.shorten(record)
    assert record.exc_info
