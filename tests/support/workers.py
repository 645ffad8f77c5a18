"""Workers of pytest-xdist, forked from the process that distributes the tests, once that has imported all of them.

A worker that is started by `exec` takes several seconds of a processor for its imports, and four of them share two
processors. One that is forked has the modules, of tests that are rewritten by pytest as well. It collects and runs
tests as any other, with a configuration of its own.
"""

import atexit
import gc
import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.config import apply_warning_filters
from execnet import gateway_io
from execnet.gateway_base import Popen2IO

from tests.support import forking


class ForkedWorker:
    """Worker that waits for what execnet sends; execnet asks the same of it as of a `Popen`."""

    def __init__(self, others: list["ForkedWorker"]) -> None:
        read, self_write = os.pipe()
        self_read, write = os.pipe()
        self.stdin, self.stdout = os.fdopen(self_write, "wb"), os.fdopen(self_read, "rb")
        self.pid = os.fork()
        if self.pid == 0:
            # A worker ends when its pipe does, which no other may hold open.
            for each in (*others, self):
                each.stdin.close()
                each.stdout.close()
            _work(read, write)
        os.close(read)
        os.close(write)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class ForkedIO(gateway_io.Popen2IOMaster):
    """Way to a forked worker; to one that is started by `exec` where all are taken, as after the crash of one."""

    free: list[ForkedWorker]

    def __init__(self, args: list[str], execmodel: Any) -> None:
        if not self.free:
            super().__init__(args, execmodel)
            return
        self.popen = worker = self.free.pop(0)
        Popen2IO.__init__(self, worker.stdin, worker.stdout, execmodel)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Fork the workers while this process has no other thread, which a fork would not have."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        forking.share()
        _import_tests(config)
        gc.freeze()
        ForkedIO.free = []
        for _ in specs:
            ForkedIO.free.append(ForkedWorker(ForkedIO.free))
    gateway_io.Popen2IOMaster = ForkedIO  # type: ignore[misc]  # execnet asks no hook for it


def _import_tests(config: pytest.Config) -> None:
    """Import the modules of the tests that were asked for. What fails is imported again by a worker, which tells it."""
    gc.disable()
    with warnings.catch_warnings(record=True):
        apply_warning_filters(config.getini("filterwarnings"), config.known_args_namespace.pythonwarnings or [])
        for argument in config.args:
            path = config.invocation_params.dir / argument.partition("::")[0]
            for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
                for each in (file.with_name("conftest.py"), file):
                    if each.exists():
                        with suppress(Exception, pytest.skip.Exception):
                            import_module(_name(each.relative_to(config.rootpath)))
    gc.enable()


def _name(file: Path) -> str:
    """Return the name under which pytest imports a file, whose path is relative."""
    return ".".join(file.with_suffix("").parts)


def _work(stdin: int, stdout: int) -> NoReturn:
    """Be a worker, with nothing of the process that was forked but its modules."""
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.close(stdin)
        os.close(stdout)
        sys.stdin = sys.__stdin__
        atexit._clear()
        exec(gateway_io.popen_bootstrapline, {})  # noqa: S102 - as execnet has its workers do
        threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does before it ends
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - nothing above can report it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
