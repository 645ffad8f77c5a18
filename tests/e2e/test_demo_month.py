"""A past month of the demo on the whole service: filled, judged by people over HTTP, final, and reported."""

from pathlib import Path

import httpx
import pytest

from demo.__main__ import CATALOGUE
from demo.past_month import MONTH, Judging
from tests.support.service import Service
from tools.docs.months import judged

pytestmark = [pytest.mark.e2e, pytest.mark.night]
ROOT = Path(__file__).parents[2]
FASTER = f"""extends = "{CATALOGUE}"
time_scale = 4500
"""
"""Three working days last 17 seconds."""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "catalogue.toml").write_text(FASTER, encoding="utf-8")
    return Service(tmp_path, tmp_path / "catalogue.toml", {"HOTLINE_ACTIONS_PER_CASE": "0"})


async def until_final(judging: Judging) -> None:
    await judging.argue()
    await judging.reaches("final")


def test_a_month_is_filled_judged_final_and_comes_out_the_same_again(service: Service, tmp_path: Path) -> None:
    with service:
        month = judged(service, until_final, HOTLINE_CATALOGUE=str(tmp_path / "catalogue.toml"))
        found = httpx.get(
            f"{service.api}/v1/assessments/{month}?by=company",
            headers={"Authorization": f"Bearer {service.admin_key}"},
            trust_env=False,
        ).json()
        assert (found["status"], found["objections"], found["undecided"]) == ("final", 3, 0)
        [company] = found["items"]
        assert company["figures"]["cases"]["value"] > 600
        approved = sum(row["approved"] for row in MONTH["exclusions"])
        assert company["figures"]["cases"]["excluded"] == approved
        assert company["score"] is not None
        assert "the same" in service.run("assessment", "verify", month)
        assert "优秀" not in service.run("assessment", "show", month)
        said = service.run("report", "monthly", month, "--make")
        assert month in said
        report = httpx.get(
            f"{service.api}/v1/reports/monthly?month={month}&format=json",
            headers={"Authorization": f"Bearer {service.admin_key}"},
            trust_env=False,
        ).json()
        [causes] = [table for table in report["tables"] if table["name"] == "findings"]
        assert {"pipe_aged", "misread_meter", "no_fault_found"} <= {row[0] for row in causes["rows"]}
