"""Begin and end of every process of the service."""

import atexit
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hotline.settings import SettingsError, variable

GROUP_AND_OTHERS = 0o077
"""Permissions of group and others. No file of the service has any, since files hold keys and data of callers."""
LOST_OUTPUT = 120
"""Python's own exit code for output that could not be written."""


def run_main(main: Callable[[], None]) -> NoReturn:
    """Run a program that makes files for its owner alone, and end it without taking the interpreter down.

    A thread of Temporal's SDK may ask for the interpreter while it is taken down, and the process aborts
    (https://github.com/temporalio/sdk-python/issues/300). Exit handlers run, and streams are flushed.
    """
    os.umask(GROUP_AND_OTHERS)
    code = _exit_code(main)
    atexit._run_exitfuncs()  # noqa: SLF001 - the standard library has no public name for it
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = code or LOST_OUTPUT
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def make_private(folder: Path) -> None:
    """Take a folder's rights from group and others. Raises SettingsError if all users share it, like `/tmp`."""
    if not folder.exists():
        return
    found = folder.stat()
    if found.st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"{variable('data_dir')}: {folder} is shared by all users; accepted: a folder of the service's own"
        )
    if found.st_uid == os.geteuid():
        folder.chmod(stat.S_IMODE(found.st_mode) & ~GROUP_AND_OTHERS)


def _exit_code(main: Callable[[], None]) -> int:
    """Run the program; return its exit code as Python would, negative for a signal."""
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - nothing above can report it
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0
