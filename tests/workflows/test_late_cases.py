"""A case whose timer does not come, as somebody else has set it for years later, is listed as stuck."""

from datetime import timedelta

import pytest

from activities import reconcile
from activities.reconcile_report import Report
from tests.support.hotline import Hotline, until
from workflows.clients.singletons import last_report

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_case_that_has_not_noticed_a_due_time_is_listed_until_it_has(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> Report:
        return await last_report(reconciled.client) or Report()

    complaint = await reconciled.start()
    with monkeypatch.context() as a_day_later:
        a_day_later.setattr(reconcile, "STUCK_AFTER", timedelta(days=-1))
        await until(look, lambda seen: seen.stuck == [complaint.number])
    await until(look, lambda seen: not seen.stuck)
