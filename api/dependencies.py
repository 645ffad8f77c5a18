"""Dependencies of the routes: parts of the application's `api.backend.Backend`.

They are coroutines, as FastAPI runs other functions in threads. A subject has its own beside its class.
"""

from datetime import datetime
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from api.directory import Naming, People
from api.documents.documents import Printer
from api.exports.files import ExportTurn
from api.sql import DirectWriter, Reader
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.shared.value import CodeKind


class CatalogueInForce(Protocol):
    """Catalogue in force; another one may be put in force at any time."""

    remark: str
    """Remark for the operator; empty if there is none."""
    sound: bool
    """False if an earlier catalogue is used because the one on record cannot be read."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def edition(self) -> Edition: ...

    def former_code(self, kind: CodeKind, given: str) -> str | None:
        """Return the code by the last catalogue that knows it, or None if none ever did."""

    def record(self, at: datetime) -> None:
        """Record that the catalogue is in force from now on, if none is on record."""


def part(name: str) -> Any:  # noqa: ANN401 - as `Depends`
    async def get(request: Request) -> Any:  # noqa: ANN401 - of any type
        return getattr(request.app.state.backend, name)

    return Depends(get)


TheReader = Annotated[Reader, part("reader")]
TheWriter = Annotated[DirectWriter, part("direct")]
ThePeople = Annotated[People, part("people")]
TheNaming = Annotated[Naming, part("naming")]
ThePrinter = Annotated[Printer | None, part("print_pdf")]
"""Printer of PDF; None if the extra for it is not installed."""
TheExportTurn = Annotated[ExportTurn, part("export_turn")]
"""Held by the one step of an export that runs."""
TheCatalogue = Annotated[Catalogue, part("catalogue")]
"""Catalogue in force now."""
TheZone = Annotated[ZoneInfo, part("zone")]
"""Time zone of the catalogue in force."""
Now = Annotated[datetime, part("now")]
