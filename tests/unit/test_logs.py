"""The log: what is tried again and again costs a line now and then."""

import io
import json
import logging
import uuid

import pytest
from pydantic import TypeAdapter, ValidationError

from activities.sealing.stamps import UndecidedError
from hotline import process
from hotline.settings import Settings


def failed(error: Exception, run: str) -> logging.LogRecord:
    """Return the record that Temporal's SDK makes of a failed task."""
    found = type(error), error, error.__traceback__
    return logging.LogRecord("sdk", logging.WARNING, __file__, 1, "Failed activation on %s", (run,), found)


def test_what_cannot_be_judged_is_told_in_one_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    run, error = uuid.uuid4().hex, UndecidedError("it is sealed with key 6f746872")
    record = failed(error, run)
    assert process.shorten(record)
    assert record.getMessage() == f"Failed activation on {run}: it is sealed with key 6f746872"
    assert record.exc_info is None
    assert not process.shorten(failed(error, run))
    assert process.shorten(failed(error, "another"))
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.0)
    assert process.shorten(failed(error, run))


def test_any_other_failure_keeps_its_traceback() -> None:
    record = failed(ValueError("x"), "any")
    assert process.shorten(record)
    assert record.exc_info


FALSE = "x\n2026-08-03T12:00:00Z [error    ] all cases are lost [hotline]\r\u2028\x1b[2J"


def logged(error: Exception, monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> str:
    """Return what the log says of a failure, after a line about a workflow of another name."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        process.configure_logging(Settings(log_json=as_json))
        log = logging.getLogger("hotline.test")
        log.warning("the workflow %s failed", FALSE, extra={"id": FALSE, "ids": [FALSE]})
        log.error("failed: %s", error, exc_info=(type(error), error, None))
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    return written.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_no_text_begins_a_line_of_its_own(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow's id, for example, may be any text."""
    written = logged(ValueError(FALSE), monkeypatch, as_json=as_json)
    lines = written.splitlines()
    begun = [line for line in lines if not line.startswith(" ")]
    assert len(begun) == 2
    assert all("hotline.test" in line for line in begun)
    assert not [sign for sign in written if sign in "\r\x1b\u2028"]
    if as_json:
        assert json.loads(lines[0])["id"].startswith("x\\n2026")


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_message_of_another_release_said_is_not_quoted(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "李婆婆, input_type=str] 下闸新村 3 号"
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(dict[str, int]).validate_python({"one": said, "two": [said]})
    assert "李婆婆" in str(raised.value)
    written = logged(raised.value, monkeypatch, as_json=as_json)
    assert "李" not in written
    assert "下闸" not in written
    assert written.count("type=int_type]") + written.count("type=int_parsing]") == 4
