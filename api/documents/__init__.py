"""Notices of urging (催办通知书) and public criticism (通报批评) as HTML pages that print on A4.

A document is rendered from its event alone, so it stays as it was issued. The templates in `templates/` can be replaced
by the operator; all of them are checked at the start.
"""

import asyncio
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined

from activities.notifications.texts import DOCUMENT_TEMPLATES, LimitedEnvironment, template_problems
from api.edge.problems import ProblemError, declare
from domain.calendar.work_calendar import on_the_wall
from domain.case.automatic.lateness import DOCUMENT_EN, DOCUMENT_KINDS, Addressee, Criticised, Noticed, document_of
from domain.case.clocks import CLOCK_ZH
from domain.case.lifecycle import Event, Names, State
from domain.catalogue.terms import URGED
from domain.shared.actors import Role
from domain.shared.errors import FileError

HTML, PDF = "text/html", "application/pdf"
CONTENT_SECURITY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""Headers of a page that holds all that it needs."""
NOT_ACCEPTABLE = declare("not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "Format not available")
NO_PRINTER = "This service prints no PDF: its extra `pdf` is not installed. Take the page, and print that."
Printer = Callable[[str, datetime], bytes]
"""Returns an HTML page as PDF, dated as given. Fonts are the machine's; used glyphs are embedded."""
_LOCK = threading.Lock()
"""One at a time: a page takes 50 ms and its fonts take memory, so parallel printing gains nothing."""


async def printed_with(print_pdf: Printer | None, html: str, issued_at: datetime, accepted: Sequence[str]) -> bytes:
    """Raise ProblemError, with what is accepted instead, if there is no printer."""
    if print_pdf is None:
        raise ProblemError(NOT_ACCEPTABLE, NO_PRINTER, accepted=[*accepted])
    return await asyncio.to_thread(print_pdf, html, issued_at)


def printer() -> Printer | None:
    """None if the extra `pdf` is not installed."""
    try:
        import plutoprint  # noqa: PLC0415 - the extra is optional
    except ImportError:
        return None

    class EmptyFetcher(plutoprint.ResourceFetcher):
        """Fetcher that returns nothing for any address: a document holds all that it needs."""

        def fetch_url(self, url: str) -> plutoprint.ResourceData:  # noqa: ARG002 - the library's signature
            return plutoprint.ResourceData(b"", "text/plain")

    def pdf(html: str, issued_at: datetime) -> bytes:
        with _LOCK:
            book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
            book.custom_resource_fetcher = EmptyFetcher()
            book.load_html(html)
            book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, issued_at.isoformat(timespec="seconds"))
            printed = io.BytesIO()
            book.write_to_pdf_stream(printed)
        return printed.getvalue()

    return pdf


OWN_TEMPLATES = Path(__file__).resolve().with_name("templates")
NAMES = frozenset(f"{DOCUMENT_TEMPLATES}{name}.html" for name in (*DOCUMENT_KINDS, "layout", "facts"))
_AT = datetime(2026, 8, 5, 4, tzinfo=UTC)
SAMPLE = Event(
    seq=9,
    at=_AT,
    actor="system",
    role=Role.SYSTEM,
    action="criticise",
    from_state=State.IN_PROGRESS,
    to_state=State.IN_PROGRESS,
    cycle=1,
    data=Criticised(
        clock="resolve",
        serial=1,
        due_at=_AT - timedelta(days=1),
        fell_at=_AT,
        registered_at=_AT - timedelta(days=2),
        service=Names(name="No water", name_zh="停水/无水"),
        owner="陈静",
        addressees=(
            Addressee(department="repair", name="Repair", name_zh="抢修队", assignee=None, lead="谭勇", director=None),
        ),
        general_manager=None,
        issuer=None,
        notice=8,
        noticed_at=_AT,
    ),
)


class Documents:
    """Renderer of the documents.

    Args:
        folder: folder of the operator's templates, laid out like `templates/`; None for the built-in ones.

    Raises:
        FileError: a template cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        loaders = [FileSystemLoader(place, encoding="utf-8") for place in (folder, OWN_TEMPLATES) if place is not None]
        self._environment = LimitedEnvironment(
            loader=ChoiceLoader(loaders), undefined=StrictUndefined, autoescape=True, auto_reload=False
        )
        names = [name for name in self._environment.list_templates() if name.startswith(DOCUMENT_TEMPLATES)]
        sample, accepted = fields("2608034711004", SAMPLE), ", ".join(sorted(NAMES))
        problems = [
            problem
            for name in names
            for problem in template_problems(self._environment, name, sample, None if name in NAMES else accepted)
        ]
        if problems:
            raise FileError(problems)

    def html(self, number: str, event: Event) -> str:
        return self._environment.get_template(f"{DOCUMENT_TEMPLATES}{event.action}.html").render(fields(number, event))


def fields(number: str, event: Event) -> Mapping[str, Any]:
    """Instants are in the case's local time; nothing is about the caller."""
    data = document_of(event)
    clock, zone = data.clock, data.timezone
    issued = on_the_wall(event.at, zone)
    late_zh, late_en = _length(event.at - data.due_at)
    issuer = data.issuer or Names(name="Water hotline", name_zh="供水热线")
    deadline_at = data.deadline_at if isinstance(data, Noticed) else None
    notice, noticed_at = (data.notice, data.noticed_at) if isinstance(data, Criticised) else (None, None)
    return {
        "document_number": f"{number}-{event.seq}",
        "number": number,
        "cycle": event.cycle,
        "title_zh": DOCUMENT_KINDS[event.action].zh,
        "title_en": DOCUMENT_EN[event.action].capitalize(),
        "issuer_zh": issuer.name_zh,
        "issuer_en": issuer.name,
        "issued_zh": f"{issued.year}年{issued.month}月{issued.day}日",
        "issued_en": f"{issued.day} {issued:%B %Y}",
        "service_zh": data.service.name_zh,
        "service_en": data.service.name,
        "registered": _local(data.registered_at, zone),
        "due": _local(data.due_at, zone),
        "promise": clock,
        "promise_zh": CLOCK_ZH[clock],
        **URGED[clock]._asdict(),
        "late_zh": late_zh,
        "late_en": late_en,
        "owner": data.owner,
        "addressees": data.addressees,
        "deadline_at": _local(deadline_at, zone),
        "notice_number": f"{number}-{notice}" if notice else "",
        "noticed_on": _local(noticed_at, zone),
    }


def _local(instant: datetime | None, zone: str) -> str:
    return f"{on_the_wall(instant, zone):%Y-%m-%d %H:%M}" if instant else ""


def _length(late: timedelta) -> tuple[str, str]:
    """In Chinese and English, in the two largest units that are not zero."""
    hours, rest = divmod(late.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(late.days, "天", "day"), (hours, "小时", "hour"), (minutes, "分", "minute"), (seconds, "秒", "second")]
    first = next((place for place, (count, _, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [part for part in parts[first : first + 2] if part[0]] or parts[-1:]
    zh = " ".join(f"{count} {unit}" for count, unit, _ in shown)
    return zh, " ".join(f"{count} {unit}{'s' if count != 1 else ''}" for count, _, unit in shown)
