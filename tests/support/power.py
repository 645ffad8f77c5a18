"""A disk that loses power, and a count of what programs sync to theirs."""

import fcntl
import os
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.service import wait_until

DISK_BYTES = 512 * 2**20
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""Flag of the shutdown: nothing more is written, not even the file system's own journal."""
SYNCED = re.compile(r"\b(?:fsync|fdatasync)\(\d+<([^>]*)>\)\s+= 0$", re.MULTILINE)


class Disk:
    """An ext4 file system in a file, mounted at `folder`."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image

    def mount(self) -> None:
        """Mount it. Raises CalledProcessError."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def cut(self) -> None:
        """Cut it off as a power cut would: what is not on it by now never will be, and every further write fails."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self) -> None:
        """Unmount it as soon as no program uses it."""
        said: list[str] = []

        def done() -> bool:
            try:
                if self.folder.is_mount():
                    _run("umount", str(self.folder))
            except subprocess.CalledProcessError as error:
                said[:] = [error.stderr]
                return False
            return True

        wait_until(done, lambda: said[0])


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Yield an empty disk, mounted at `folder`; skip the test where that is not possible."""
    _require("mkfs.ext4", "e2fsprogs")
    image = folder.with_suffix(".ext4")
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    _run("mkfs.ext4", "-q", str(image))
    folder.mkdir()
    made = Disk(image, folder)
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted from a loop device here: {error.stderr.strip()}")
    try:
        yield made
    finally:
        made.unmount()
        image.unlink()


class Syncs:
    """Syncs of the traced programs, counted from their traces."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def count(self, files: Collection[str]) -> Counter[str]:
        """Return the syncs so far of the files with these names. A sync is in a trace before its program goes on."""
        found: Counter[str] = Counter(dict.fromkeys(files, 0))
        for trace in self._folder.iterdir():
            names = (Path(path).name for path in SYNCED.findall(trace.read_text(encoding="utf-8")))
            found.update(name for name in names if name in files)
        return found

    def settled(self, files: Collection[str]) -> Counter[str]:
        """Return the count once it is the same in two looks, so that nothing of an earlier request is counted later."""
        looks = [self.count(files)]

        def same() -> bool:
            looks.append(self.count(files))
            return looks[-1] == looks[-2]

        wait_until(same, lambda: str(looks[-1]))
        return looks[-1]


@contextmanager
def traced(folder: Path, pids: Collection[int]) -> Iterator[Syncs]:
    """Trace the syncs of these processes during the block; skip the test where processes cannot be traced.

    Args:
        folder: is made, for the traces, a file for each thread.
        pids: ids of the processes.
    """
    folder.mkdir()
    said = folder.with_suffix(".log")
    # One file for each thread, so that no line is interrupted by another thread's.
    argv = [_require("strace", "strace"), "-ff", "-y", "-e", "trace=fsync,fdatasync", "-o", str(folder / "trace")]
    argv += [part for pid in pids for part in ("-p", str(pid))]
    with said.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)

    def text() -> str:
        return said.read_text(encoding="utf-8")

    try:
        wait_until(lambda: process.poll() is not None or all(f"Process {pid} attached" in text() for pid in pids), text)
        if process.poll() is not None:
            pytest.skip(f"processes cannot be traced here: {text().strip()}")
        yield Syncs(folder)
    finally:
        process.terminate()
        process.wait()


def _require(program: str, package: str) -> str:
    """Return the path of a program. Without it the test is skipped, or fails with CI=1."""
    found = shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"no {program} here: sudo apt-get install {package}")
    return found


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)
