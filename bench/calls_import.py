"""Import of call detail records by `hotline calls import` into PostgreSQL, and once more, when nothing is new."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

from bench.postgres import in_thread, running
from bench.report import Figure
from bench.server import ServiceError
from readmodel.migrate import migrate

ROWS, QUICK_ROWS = 1_000_000, 20_000
MOST_SECONDS, MOST_MEMORY = 60, 150
FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
ROWS_PER_DAY = 900
"""Three years of the hotline have a million rows."""
BETWEEN = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Small program that starts another, and prints its memory: Linux counts what the starter has as the other's own."""


@dataclass(frozen=True)
class Import:
    """Seconds of the command from its start to its end, the most memory that it had, and what it printed."""

    seconds: float
    mebibytes: float
    printed: str


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of an import. Raises ServiceError if the command fails."""
    return await in_thread(_measure, QUICK_ROWS if quick else ROWS)


def _measure(count: int) -> tuple[list[Figure], dict[str, Any]]:
    with running() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        migrate(server.url)
        file = write_records(folder / "Master.csv", count)
        environment = {**os.environ, "HOTLINE_DATABASE_URL": server.url, "HOTLINE_DATA_DIR": str(folder)}
        first, again = (import_records(file, environment) for _ in range(2))
    figures = [
        Figure(f"{count:,} call detail records imported", first.seconds, "s", at_most=MOST_SECONDS),
        Figure("memory of the import", first.mebibytes, "MiB", at_most=MOST_MEMORY),
        Figure("the same records imported again", again.seconds, "s"),
    ]
    return figures, {"first": asdict(first), "again": asdict(again)}


def import_records(file: Path, environment: Mapping[str, str]) -> Import:
    """Import a file in a process of its own. Raises ServiceError if it fails."""
    command = [sys.executable, "-m", "hotline.cli.main", "calls", "import", str(file)]
    began = time.monotonic()
    done = run([sys.executable, "-c", BETWEEN, *command], env=environment, stdout=PIPE, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"hotline calls import ended with exit code {done.returncode}")
    printed, kibibytes = done.stdout.rstrip().rsplit("\n", 1)
    return Import(time.monotonic() - began, int(kibibytes) / 1024, printed)


def write_records(file: Path, count: int) -> Path:
    """Write so many records of calls, each its own, as Asterisk writes them."""
    with file.open("w", encoding="utf-8") as writer:
        writer.writelines(_rows(count))
    return file


def _rows(count: int) -> Iterator[str]:
    for place in range(count):
        start = FIRST_DAY + timedelta(days=place // ROWS_PER_DAY, seconds=place % ROWS_PER_DAY * 90)
        answer = start + timedelta(seconds=place % 40)
        end = answer + timedelta(seconds=30 + place % 300)
        answered = place % 9 != 0
        phone = f"138{place * 7919 % 100_000_000:08d}"
        yield (
            f'"","{phone}","96968","from-trunk","""{phone}"" <{phone}>","PJSIP/trunk-{place:08x}",'
            f'"PJSIP/{1001 + place % 40}-{place + 1:08x}","Dial","PJSIP/{1001 + place % 40},30,tT",'
            f'"{start:%Y-%m-%d %H:%M:%S}",{f"{answer:%Y-%m-%d %H:%M:%S}" if answered else ""},'
            f'"{end:%Y-%m-%d %H:%M:%S}",{(end - start).seconds},{(end - answer).seconds if answered else 0},'
            f'"{"ANSWERED" if answered else "NO ANSWER"}","DOCUMENTATION","{start.timestamp():.0f}.{place}",""\n'
        )
