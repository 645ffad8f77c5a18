"""The supervisor: what dies is started again, what is hopeless is given up, what is left behind is ended."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from domain.shared.errors import OperatorError
from hotline.local import supervisor as module
from hotline.local.supervisor import Program, Supervisor, rotate, started_at

FOR_EVER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
HOPELESS = "raise SystemExit('no such catalogue')"


def python(name: str, code: str, grace: float = 5.0) -> Program:
    return Program(name, (sys.executable, "-S", "-E", "-c", code), grace_seconds=grace)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fail when it does not come true."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "did not happen in time"
        await asyncio.sleep(0.01)


class Service:
    """A supervisor in a folder of its own, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(folder, self.said.append)

    def log(self, name: str) -> str:
        file = self.folder / "logs" / f"{name}.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def write_records(self, pid: int, start: float | None, of: Path | None = None) -> None:
        """Write what an earlier run has left here; `of` is the folder from which its file was copied."""
        found = (of or self.folder).stat()
        folder = f"{found.st_dev}:{found.st_ino}"
        records = {"worker": {"pid": pid, "started_at": start, "folder": folder}}
        (self.folder / "run.json").write_text(json.dumps(records), encoding="utf-8")

    def pid(self, name: str) -> int | None:
        entries = json.loads((self.folder / "run.json").read_bytes())
        return int(entries[name]["pid"]) if name in entries else None


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    running = Service(tmp_path)
    yield running
    await running.supervisor.stop()


async def test_a_program_that_is_killed_is_started_again(service: Service) -> None:
    service.supervisor.start(python("worker", FOR_EVER))
    await until(lambda: "up" in service.log("worker"))
    first = service.pid("worker")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: service.log("worker").count("up") == 2 and service.pid("worker") not in (None, first))

    assert service.said[0].startswith("worker ended (SIGKILL); starting it again in 0.2 s")


async def test_a_program_that_cannot_start_is_given_up_with_its_last_words(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    service.supervisor.start(python("worker", HOPELESS))

    with pytest.raises(OperatorError, match=r"(?s)worker ended 5 times \(code 1\).*worker \| no such catalogue"):
        await service.supervisor.broken


async def test_a_steady_service_never_gives_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.02)
    service.supervisor.start(python("worker", HOPELESS))
    service.supervisor.steady()
    await until(lambda: len(service.said) > module.DEATHS_BEFORE_GIVING_UP)

    assert not service.supervisor.broken.done()


async def test_the_pause_grows_while_a_program_does_not_live(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.04)
    service.supervisor.start(python("worker", HOPELESS), patient=True)
    await until(lambda: len(service.said) >= 4)

    pauses = [said.partition("again in ")[2].partition(" s")[0] for said in service.said[:4]]
    assert pauses == ["0.01", "0.02", "0.04", "0.04"]


async def test_a_step_is_repeated_until_it_succeeds(service: Service) -> None:
    mark = service.folder / "tried"
    step = (
        f"import pathlib; p = pathlib.Path({str(mark)!r}); there = p.exists(); p.touch(); raise SystemExit(not there)"
    )
    await service.supervisor.start(python("migrate", step), until_success=True)

    assert len(service.said) == 1
    assert service.pid("migrate") is None


async def test_programs_end_in_the_reverse_order_of_their_start(service: Service) -> None:
    order = service.folder / "order"
    for name in ("temporal", "worker", "api"):
        tell = f"lambda *_: (open({str(order)!r}, 'a').write('{name} '), exit(0))"
        code = f"import signal, time; signal.signal(15, {tell}); print('up', flush=True); time.sleep(600)"
        service.supervisor.start(python(name, code))
    await until(lambda: all("up" in service.log(name) for name in ("temporal", "worker", "api")))
    await service.supervisor.stop()

    assert order.read_text(encoding="utf-8").split() == ["api", "worker", "temporal"]
    assert service.said == []


async def test_a_program_that_does_not_listen_is_killed(service: Service) -> None:
    service.supervisor.start(python("worker", DEAF, grace=0.1))
    await until(lambda: "up" in service.log("worker"))
    pid = service.pid("worker")
    assert pid is not None
    await service.supervisor.stop()

    assert started_at(pid) is None
    assert service.said == ["worker did not end within 0.1 s and is killed"]


async def test_an_operator_who_does_not_wait_ends_all_at_once(service: Service) -> None:
    for name in ("worker", "api"):
        service.supervisor.start(python(name, DEAF, grace=60.0))
    await until(lambda: all("up" in service.log(name) for name in ("worker", "api")))
    stopping = asyncio.create_task(service.supervisor.stop())
    asyncio.get_running_loop().call_soon(service.supervisor.kill)
    await asyncio.wait_for(stopping, 15)

    assert service.said == []
    assert (service.pid("worker"), service.pid("api")) == (None, None)


async def test_programs_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib, sys
from hotline.local.supervisor import Program, Supervisor
async def main():
    supervisor = Supervisor(pathlib.Path({str(tmp_path)!r}), print)
    await supervisor.start(Program("worker", (sys.executable, "-c", {FOR_EVER!r})))
asyncio.run(main())
"""
    log, records = tmp_path / "logs" / "worker.log", tmp_path / "run.json"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path(module.__file__).parents[2])
    await until(lambda: records.exists() and "worker" in json.loads(records.read_bytes()))
    await until(lambda: "up" in log.read_text(encoding="utf-8"))
    pid = json.loads(records.read_bytes())["worker"]["pid"]
    parent.kill()
    await parent.wait()

    await until(lambda: started_at(pid) is None)


async def test_what_an_earlier_run_left_is_ended(service: Service) -> None:
    left = await asyncio.create_subprocess_exec(sys.executable, "-c", FOR_EVER, stdout=asyncio.subprocess.DEVNULL)
    service.write_records(left.pid, started_at(left.pid))
    await service.supervisor.end_stale()

    assert await left.wait() == -signal.SIGTERM
    assert service.said == [f"ending worker, process {left.pid}, which an earlier run left behind"]
    assert service.pid("worker") is None


async def test_a_copied_folder_leaves_the_programs_of_the_original_alone(service: Service) -> None:
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", FOR_EVER, stdout=asyncio.subprocess.DEVNULL)
    service.write_records(running.pid, started_at(running.pid), service.folder.parent)
    await service.supervisor.end_stale()

    assert (running.returncode, service.said, service.pid("worker")) == (None, [], None)
    running.kill()
    await running.wait()


async def test_a_stranger_with_a_recorded_id_is_left_alone(service: Service) -> None:
    service.write_records(os.getpid(), 1.0)
    await service.supervisor.end_stale()

    assert service.said == []
    assert service.pid("worker") is None


def test_a_large_log_is_moved_aside_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab") as open_for_ever:
        for text in (b"first\n", b"second\n", b"third\n"):
            open_for_ever.write(text)
            open_for_ever.flush()
            rotate(log, limit=1)

    assert log.read_bytes() == b""
    aside = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert aside == {
        "api.log": b"", "api.log.1": b"third\n", "api.log.2": b"second\n", "api.log.3": b"first\n",
    }  # fmt: skip
