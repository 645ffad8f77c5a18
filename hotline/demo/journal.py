"""Journal of the demo, kept between two starts: the id of the run, and the number of each case.

One JSON object a line, so that a line which was being written when the demo was killed costs that line alone.
Everything else the service knows: a registration that is not in the journal is sent again, and gives the same case.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

RUN = re.compile(r"[0-9A-Za-z]{1,20}")
"""It becomes part of account numbers and idempotency keys."""


class Journal:
    """Journal of one run of the demo, in one file of `folder`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.run = path.stem
        self.numbers: dict[int, str] = {}
        self.incident: str | None = None
        self.finished = False
        self.seed = 0
        self.cases = 0
        written = path.read_text(encoding="utf-8")
        for line in written.splitlines():
            self._take(line)
        if not written.endswith("\n"):
            # The demo was killed while it wrote; what comes next must not be added to that line.
            path.write_text(written + "\n", encoding="utf-8")

    @classmethod
    def begin(cls, folder: Path, *, seed: int, cases: int, run: str | None = None) -> Self:
        """Begin a new run; its id says when it began, or is `run`. Raises ValueError for another id."""
        run = run or f"{datetime.now(UTC):%y%m%d%H%M%S}"
        if not RUN.fullmatch(run):
            raise ValueError(f"the id of a run has 1 to 20 letters and digits, not {run!r}")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{run}.jsonl"
        path.write_text(json.dumps({"seed": seed, "cases": cases}) + "\n", encoding="utf-8")
        return cls(path)

    @classmethod
    def named(cls, folder: Path, run: str, *, seed: int, cases: int) -> Self:
        """Return the run of this id, a new one if there is none. Raises ValueError if its seed or size differ."""
        path = folder / f"{run}.jsonl"
        journal = cls(path) if path.exists() else cls.begin(folder, seed=seed, cases=cases, run=run)
        if (journal.seed, journal.cases) != (seed, cases):
            raise ValueError(f"run {run} has {journal.cases} cases and seed {journal.seed}, not {cases} and {seed}")
        return journal

    @classmethod
    def latest(cls, folder: Path, *, seed: int, cases: int) -> Self | None:
        """Return the youngest run of this seed and size, or None."""
        for path in sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True):
            journal = cls(path)
            if (journal.seed, journal.cases) == (seed, cases):
                return journal
        return None

    def note(self, index: int, number: str) -> None:
        """Record the number of a case."""
        self.numbers[index] = number
        self._append({"index": index, "number": number})

    def note_incident(self, number: str) -> None:
        """Record the incident of the run."""
        self.incident = number
        self._append({"incident": number})

    def finish(self) -> None:
        """Record that the run was played to its end and was as planned; the next one is a new one."""
        self.finished = True
        self._append({"finished": True})

    def _append(self, entry: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        self.finished = self.finished or "finished" in entry
        self.incident = entry.get("incident", self.incident)
        self.seed, self.cases = entry.get("seed", self.seed), entry.get("cases", self.cases)
        if "index" in entry:
            self.numbers[entry["index"]] = entry["number"]
