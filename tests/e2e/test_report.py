"""`hotline report` on the whole service: made by the worker, served by the API, and the same after a loss of it."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from readmodel.database import engine
from tests.support.batches import call, project, published
from tests.support.rows import execute
from tests.support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DAY, AT = "2025-09-08", datetime(2025, 9, 8, 1, tzinfo=UTC)


def test_a_report_is_made_by_command_and_served_over_http(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        url = f"sqlite:///{service.data_dir / 'hotline.db'}"
        project(url, published(call(1, AT), ("dispatch",)))
        asked = ("report", "daily", DAY)
        assert f"Daily report {DAY}" in service.run(*asked, "--make")
        first = service.run(*asked)
        manager = service.make_key("gao", "manager")
        headers = {"Authorization": f"Bearer {manager}"}
        with httpx.Client(base_url=service.api, trust_env=False, headers=headers) as http:
            found = http.get("/v1/reports/daily", params={"date": DAY}).json()
            assert found["tables"][0]["rows"][0][0] == 1
        database = engine(url)
        execute(database, "DELETE FROM reports")
        database.dispose()
        assert service.run(*asked, "--make") == first
