"""A past month for the demo, written to SQL: cases that are over have no workflow in Temporal any more."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from domain.catalogue.figures import Subject
from domain.reports.period import month_bounds, month_of
from hotline.demo.month import PastMonth, plan_month
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel import calls
from readmodel.assessment.months import GivenValue, keep_given
from readmodel.database import WriteConnection, opened, writing
from readmodel.duties import keep_duties
from readmodel.projection import write

SLICE = 100
"""Cases, and calls by tens, of one transaction: others write meanwhile."""
T = TypeVar("T")


def fill_last_month(settings: Settings, seed: int) -> str:
    """Fill the month before the present one by the promises of the default catalogue; return it, as 2026-08.

    Filled again, it changes nothing.
    """
    catalogue, now = load_catalogue(DEFAULT_CATALOGUE), datetime.now(UTC)
    zone = ZoneInfo(catalogue.calendar.timezone)
    month = month_of(month_bounds(month_of(now, zone), zone)[0] - timedelta(days=1), zone)
    planned = plan_month(month, catalogue, seed, now)
    with opened(settings.database_url) as database:
        for batches in _slices(planned.batches, SLICE):
            with writing(database) as connection:
                # Nobody is to be told of what is over.
                write(connection, batches, {batch.number: batch.case.version for batch in batches})
        for reported in _slices(planned.calls, 10 * SLICE):
            with writing(database) as connection:
                calls.keep(connection, reported, catalogue.area_code, now)
        with writing(database) as connection:
            _keep_others(connection, planned, zone)
    return month


def _keep_others(connection: WriteConnection, planned: PastMonth, zone: ZoneInfo) -> None:
    since, until = month_bounds(planned.month, zone)
    keep_duties(connection, planned.duties, since, until)
    points = [GivenValue("training", Subject.AGENT, agent, value) for agent, value in planned.points.items()]
    keep_given(connection, planned.month, ["training"], points)


def _slices(items: Sequence[T], length: int) -> Iterator[Sequence[T]]:
    return (items[start : start + length] for start in range(0, len(items), length))
