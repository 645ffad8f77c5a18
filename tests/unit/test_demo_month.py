"""The past month of the demo, played by the rules of the default catalogue."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from demo import past_month as plan
from domain.case.actions.complete import Completed
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE


def test_crews_of_a_past_month_state_the_findings_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the month has a table of causes that is worth a look."""
    monkeypatch.setattr(plan, "CASES", 120)
    monkeypatch.setattr(plan, "CALLS", 0)
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    month = plan.plan_month("2026-06", catalogue, 1, datetime(2026, 8, 1, tzinfo=UTC))
    done = [event.data for batch in month.batches for event in batch.events if isinstance(event.data, Completed)]
    stated = Counter(code for data in done for code in data.findings)
    assert stated.keys() == {finding.code for finding in catalogue.findings}
    assert 0.7 * len(done) < stated.total() <= len(done)
