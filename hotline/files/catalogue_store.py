"""Record of the catalogues in force (现行服务目录), with their start and the operator's name, and a copy of each.

`hotline catalogue apply` puts a catalogue in force; a running API notices it by the stamp of the record's file.
Before the first `apply`, the file of the setting is in force, as it was when the API started.
"""

import hashlib
import logging
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.shared.codes import CodeKind, UnknownCode
from domain.shared.errors import FileError
from domain.shared.value import Immutable
from hotline.files.catalogue import load_catalogue
from hotline.files.data_folder import Stamp, exclusive_lock, file_stamp, write_private
from hotline.files.formats import read_json

log = logging.getLogger("hotline.catalogue")

DIGITS = 12
"""Digits of the checksum of a catalogue: enough to tell all catalogues of a company apart."""


class StoreEntry(Immutable):
    """One catalogue's time in force, from `since` to the next entry's."""

    edition: Edition
    file: str
    since: datetime
    by: str | None = None
    """Name of the person who put it in force; None for the file that an API was started with."""


class _Record(BaseModel):
    entries: tuple[StoreEntry, ...] = ()


def edition_of(catalogue: Catalogue) -> Edition:
    """Checksum of the content, independent of the path of the file."""
    digest = hashlib.sha256(catalogue.model_dump_json(exclude={"calendar_file"}).encode()).hexdigest()[:DIGITS]
    return Edition(digest=digest, name=catalogue.name, name_zh=catalogue.name_zh)


class CatalogueStore:
    """Folder of the catalogues that were in force. Every change is atomic."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "in_force.json"

    def entries(self) -> tuple[StoreEntry, ...]:
        """With the present one last; empty without a record. Raises FileError."""
        return read_json(self._record, _Record, "restore it from a backup").entries if self._record.exists() else ()

    def last(self) -> StoreEntry | None:
        """Entry of the catalogue in force; None without a record. Raises FileError."""
        return next(reversed(self.entries()), None)

    def load(self, edition: Edition) -> Catalogue:
        """Read the copy. Raises FileError."""
        return read_json(self._copy(edition), Catalogue, "apply its file again")

    def in_force(self, serial: int) -> Catalogue | None:
        """None if there are later entries than the `serial`-th, counted from 1.

        Raises FileError if this copy of the record lags behind, or if the catalogue cannot be read.
        """
        entries = self.entries()
        if len(entries) < serial:
            raise FileError([f"{self._record}: has {len(entries)} entries; number {serial} is waited for"])
        return self.load(entries[-1].edition) if 0 < serial == len(entries) else None

    def catalogues(self) -> list[Catalogue]:
        """Readable catalogues that were in force, the last first."""
        found: list[Catalogue] = []
        with suppress(FileError):
            for edition in dict.fromkeys(entry.edition for entry in reversed(self.entries())):
                with suppress(FileError):
                    found.append(self.load(edition))
        return found

    def put(self, catalogue: Catalogue, file: Path, at: datetime, by: str | None = None) -> StoreEntry:
        """Store a copy and put it in force from `at` on, for every API that shares the folder."""
        entry = StoreEntry(edition=edition_of(catalogue), file=str(file.absolute()), since=at, by=by)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_private(self._copy(entry.edition), catalogue.model_dump_json())
        # A lock on the record's own file would be lost when the file is replaced.
        with FileLock(self._folder / "lock"):
            write_private(self._record, _Record(entries=(*self.entries(), entry)).model_dump_json(indent=1) + "\n")
        return entry

    def exclusive(self) -> AbstractContextManager[object]:
        """Lock the store for one `apply` until the context ends. Raises RuntimeError if another holds it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        busy = RuntimeError("another `hotline catalogue apply` is running here")
        return exclusive_lock(self._folder / "apply.lock", busy)

    def stamp(self) -> Stamp | None:
        """Another value whenever another catalogue is put in force; None without a record."""
        return file_stamp(self._record)

    def _copy(self, edition: Edition) -> Path:
        return self._folder / f"{edition.digest}.json"


def in_force_now(store: CatalogueStore, file: Path) -> Catalogue:
    """By the record, or else the file. For short commands. Raises FileError."""
    last = store.last()
    return load_catalogue(file) if last is None else store.load(last.edition)


class CatalogueInForce:
    """Catalogue in force for a running program: the one applied last, else the file.

    If a new one cannot be read, the last one stays. Raises FileError if the file is in force and cannot be used.
    """

    def __init__(self, store: CatalogueStore, file: Path) -> None:
        self.remark = ""
        """Remark for the operator; empty if there is none."""
        self.sound = True
        """False if an earlier catalogue is used because the one on record cannot be read."""
        self._store = store
        self._file = file
        # Stamp and catalogue are replaced together, so that threads need no lock.
        self._known = store.stamp(), self._applied() or load_catalogue(file)
        self._catalogues = lru_cache(maxsize=1)(lambda _stamp: store.catalogues())

    def record(self, at: datetime) -> None:
        """Record that the file is in force from `at` on, if no catalogue was ever applied."""
        with suppress(FileError):
            last = self._store.last()
            _, catalogue = self._known
            if last is None or (last.by is None and last.edition != edition_of(catalogue)):
                self._store.put(catalogue, self._file, at)
                self._known = self._store.stamp(), catalogue

    @property
    def catalogue(self) -> Catalogue:
        stamp, (known_stamp, catalogue) = self._store.stamp(), self._known
        if stamp is not None and stamp != known_stamp:
            catalogue = self._applied_since() or catalogue
            self._known = stamp, catalogue
        return catalogue

    @property
    def edition(self) -> Edition:
        return edition_of(self.catalogue)

    def former_code(self, kind: CodeKind, given: str) -> str | None:
        """By the last catalogue that has it, for older cases; None if no catalogue had it."""
        for catalogue in self._catalogues(self._store.stamp()):
            with suppress(UnknownCode):
                return catalogue.code(kind, given)
        return None

    def _applied(self) -> Catalogue | None:
        """Catalogue applied last; None if there is none, or if it cannot be read."""
        try:
            last = self._store.last()
            if last is None or last.by is None:
                return None
            found = self._store.load(last.edition)
        except FileError as error:
            self._note_fault(f"the file {self._file} is in force, as the applied catalogue cannot be read: {error}")
            return None
        self.remark = _remark(last, self._file)
        return found

    def _applied_since(self) -> Catalogue | None:
        """Catalogue put on record while the program runs; None if it cannot be read."""
        try:
            entry = self._store.entries()[-1]
            found = self._store.load(entry.edition)
        except (FileError, IndexError) as error:
            self._note_fault(f"an earlier catalogue stays in force: {error}")
            return None
        self.remark, self.sound = "", True
        log.info("the catalogue %s (%s) is in force", entry.edition.name, entry.edition.digest)
        return found

    def _note_fault(self, remark: str) -> None:
        self.remark, self.sound = remark, False
        log.error("%s", remark)


def _remark(last: StoreEntry, file: Path) -> str:
    """Remark that the file of the setting differs from the applied catalogue; empty if it does not."""
    try:
        if edition_of(load_catalogue(file)) == last.edition:
            return ""
        differs = "differs from it"
    except FileError:
        differs = "cannot be used"
    remark = (
        f"{last.edition.name} ({last.edition.digest}) was applied and is in force; the file {file} {differs}."
        " `hotline catalogue apply FILE` puts another in force"
    )
    log.warning("%s", remark)
    return remark
