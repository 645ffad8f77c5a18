"""Programs of the service for tests, forked from a process that has imported their modules.

A program that is started by `exec` takes one to three seconds of a processor before it does anything, for its imports,
and `hotline up` starts six. One that is forked has its own id, environment and streams, dies by signals and ends its
children as any other. Tests of how programs start and end by themselves, and of installations, use `exec` all the same.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "api.__main__",
    "demo.__main__",
    "hotline.cli.main",
    "hotline.recovery.rebuild_workflows",
    "hotline.temporal.cluster",
    "hotline.recovery.verify",
    "worker",
)
"""Modules that programs import at their start, or when a command needs them."""
REQUEST_BYTES = 1 << 20
REPLY_BYTES = 32


class _Popen(subprocess.Popen[Any]):
    """Program that is forked if it is a module of this interpreter, and started by `exec` if not."""

    def _execute_child(self, *given: Any) -> None:
        args, _, preexec, _, _, cwd, env, _, _, _, *pipes, _, _, _, _, _, new_session, _ = given
        if sys.platform != "linux" or args[0] != sys.executable or "-m" not in args[1:3]:
            super()._execute_child(*given)  # type: ignore[misc]  # there is no public method between
            return
        argv = args[args.index("-m") + 1 :]
        self.pid = self._fork(argv, env or dict(os.environ), cwd, (pipes[0], pipes[3], pipes[5]), new_session, preexec)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # as the original does

    def _fork(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str | None,
        streams: Sequence[int],
        new_session: bool,
        preexec: Callable[[], None] | None,
    ) -> int:
        """Fork this process itself, which has the modules."""
        pid = os.fork()
        if pid == 0:
            if new_session:
                os.setsid()
            if preexec:
                preexec()
            _become(argv, env, cwd, streams)
        return pid


class Forked(_Popen):
    """Program that the process with the modules forks, as this one has threads. A process of that one waits for it."""

    _monitor: socket.socket | None = None

    def _fork(self, argv: Sequence[str], env: Mapping[str, str], cwd: Any, streams: Sequence[int], *_: Any) -> int:
        self._monitor, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        # A stream that is not redirected is that of this process.
        fds = [own if each == -1 else each for own, each in enumerate(streams)]
        request = json.dumps([argv, dict(env), str(cwd or Path.cwd())]).encode()
        with theirs:
            socket.send_fds(_modules(), [request], [theirs.fileno(), *fds])
        return int(self._monitor.recv(REPLY_BYTES))

    def _try_wait(self, flags: int) -> tuple[int, int]:
        """Return the process id and its status as `waitpid` does, which knows the children of this process alone."""
        if self._monitor is None:
            return super()._try_wait(flags)  # type: ignore[misc, no-any-return]  # as above
        self._monitor.setblocking(not flags)
        try:
            status = int(self._monitor.recv(REPLY_BYTES))
        except BlockingIOError:
            return 0, 0
        self._monitor.close()
        return self.pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _become(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, streams: Sequence[int]) -> NoReturn:
    """Be the program, with nothing of the process that was forked but its modules."""
    try:
        for own, each in enumerate(streams):
            if each not in (-1, own):
                os.dup2(each, own)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        signal.set_wakeup_fd(-1)
        for sign in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD:
            signal.signal(sign, signal.default_int_handler if sign is signal.SIGINT else signal.SIG_DFL)
        if cwd:
            os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the interpreter's own
        subprocess.Popen = _Popen  # type: ignore[misc]  # what it starts is forked again
        module, *arguments = argv
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except BaseException:  # noqa: BLE001 - nothing above can report it
        traceback.print_exc()
    finally:
        os._exit(1)  # what comes here is no program that ends itself, as all of the service do


@cache
def _modules() -> socket.socket:
    """Start the process with the modules, once for each pytest worker, with which it ends; return the way to it."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        fd = theirs.fileno()
        process = subprocess.Popen([sys.executable, "-m", __name__, str(fd)], cwd=ROOT, pass_fds=[fd])
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(requests: socket.socket) -> None:
    """Fork a process for each request, which starts its program and says its process id and its end."""
    for each in MODULES:
        import_module(each)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
        if not request:
            return
        if os.fork() == 0:
            argv, env, cwd = json.loads(request)
            _monitor(socket.socket(fileno=fds[0]), argv, env, cwd, fds[1:])
        for fd in fds:
            os.close(fd)


def _monitor(told: socket.socket, argv: list[str], env: dict[str, str], cwd: str, streams: list[int]) -> NoReturn:
    """Fork the program; tell its process id, and the status with which it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        _become(argv, env, cwd, streams)
    told.send(str(pid).encode())
    for fd in streams:
        os.close(fd)
    _, status = os.waitpid(pid, 0)
    told.send(str(status).encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
