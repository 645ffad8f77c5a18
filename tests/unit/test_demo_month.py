"""The past month of the demo, played by the rules of the default catalogue."""

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime

from demo import past_month as plan
from domain.case.actions.complete import Completed
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE


def test_crews_of_a_past_month_state_the_findings_of_the_catalogue() -> None:
    """A report of the month has a table of causes that is worth a look."""
    catalogue, skill = load_catalogue(DEFAULT_CATALOGUE), defaultdict[str, float](lambda: 0.9)
    rng, now = random.Random(1), datetime(2026, 8, 1, tzinfo=UTC)  # noqa: S311 - luck that can be repeated
    batches = plan.past_cases(120, "2026-06", catalogue, rng, skill, now)
    done = [event.data for batch in batches for event in batch.events if isinstance(event.data, Completed)]
    stated = Counter(code for data in done for code in data.findings)
    assert stated.keys() == {finding.code for finding in catalogue.findings}
    assert 0.7 * len(done) < stated.total() <= len(done)
