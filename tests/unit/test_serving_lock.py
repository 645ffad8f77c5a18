"""The lock of the API is held while any process serves people, and no longer."""

import fcntl
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.edge.middleware import hold_serving_lock
from hotline.files.data_folder import SERVING_LOCK, ServingLock

SERVE_FOR_EVER = """
import sys, time
from pathlib import Path
from hotline.files.data_folder import ServingLock
with ServingLock(Path(sys.argv[1])).serving():
    print("serving", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that serves people."""
    argv = [sys.executable, "-c", SERVE_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        yield process
        process.kill()


def test_the_lock_is_held_until_the_last_request_is_answered(tmp_path: Path) -> None:
    api, worker = ServingLock(tmp_path), ServingLock(tmp_path)
    assert not worker.is_held()
    with api.serving():
        with api.serving():
            assert worker.is_held()
        assert worker.is_held()
    assert not worker.is_held()
    assert stat.S_IMODE((tmp_path / SERVING_LOCK).stat().st_mode) == 0o600


def test_a_request_that_fails_releases_it(tmp_path: Path) -> None:
    api = ServingLock(tmp_path)
    with pytest.raises(ZeroDivisionError), api.serving():
        raise ZeroDivisionError
    assert not api.is_held()


def test_a_killed_process_releases_it(tmp_path: Path, elsewhere: "subprocess.Popen[str]") -> None:
    worker = ServingLock(tmp_path)
    assert worker.is_held()
    elsewhere.send_signal(signal.SIGKILL)
    elsewhere.wait()
    assert not worker.is_held()


def test_processes_share_it(tmp_path: Path, elsewhere: "subprocess.Popen[str]") -> None:
    api = ServingLock(tmp_path)
    with api.serving():
        elsewhere.kill()
        elsewhere.wait()
        assert api.is_held()
    assert not api.is_held()


def test_a_request_that_begins_while_a_worker_looks_is_announced_by_the_next_one(tmp_path: Path) -> None:
    api = ServingLock(tmp_path)
    with (tmp_path / SERVING_LOCK).open("wb") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        first = api.serving()
        first.__enter__()
    assert not api.is_held()
    with api.serving():
        assert api.is_held()
    first.__exit__(None, None, None)
    assert not api.is_held()


def test_people_are_served_where_no_file_can_be_made(tmp_path: Path) -> None:
    api = ServingLock(tmp_path / "missing")
    with api.serving():
        assert not api.is_held()


async def test_a_request_holds_it_once_its_body_is_there_and_a_reader_never(tmp_path: Path) -> None:
    lock, seen = ServingLock(tmp_path), list[bool]()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["more_body"]:
            seen.append(lock.is_held())
        seen.append(lock.is_held())

    async def send(_: Message) -> None:
        raise AssertionError("nothing is answered")

    for method in ("POST", "GET"):
        body = iter((True, True, False))

        async def receive(body: Iterator[bool] = body) -> Message:
            return {"type": "http.request", "body": b" ", "more_body": next(body)}

        await hold_serving_lock(app, lock.serving)({"type": "http", "method": method}, receive, send)
    assert seen == [False, False, True, False, False, False]
    assert not lock.is_held()
