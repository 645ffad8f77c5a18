"""Assessments on which the operations of the OpenAPI document can succeed: one in inspection, one that is published."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hotline.settings import Settings
from hotline.temporal.connection import connect
from tests.support.assessment import standard
from tests.support.months import present_month
from tests.support.service import Service, wait_until
from workflows.clients.periods import start_assessment
from workflows.kit.words import CatalogueNames

Json = dict[str, Any]
EXCLUSION = {"ground": "beyond_duty", "reason": "非供水设施"}
OBJECTION = {"by": "company", "subject": "company", "figure": "cases", "reason": "试拨电话，不应计入"}


class Months:
    """Two assessments of the present hour.

    Args:
        service: the running service, with a case of an agent who is not the administrator.
        http: client of the API with the administrator's key.
        year: year under which they are kept, which no other walk has.
        case: registers a case, which is to be excluded, and returns its number.
        person: headers of somebody who asks for what the administrator is to decide.
    """

    def __init__(
        self, service: Service, http: httpx.Client, year: int, case: Callable[[], str], person: dict[str, str]
    ) -> None:
        self._http = http
        self._draft, self._published = f"{year}-01", f"{year}-02"
        asyncio.run(self._begin(service))
        self._excluded = case()
        self._exclusion = self._post(f"/complaints/{self._excluded}/exclusions", EXCLUSION, person)
        wait_until(lambda: self._status() == "objections", lambda: f"{self._published} is {self._status()}")
        self._objection = self._post(f"/assessments/{self._published}/objections", OBJECTION, person)
        wait_until(lambda: bool(self._sample()), lambda: f"the sample of {self._draft} has no case of an agent")
        scores = {each.code: each.points for each in standard().form}
        self._bodies: dict[str, Json] = {
            "inspect_case": {"complaint": next(iter(self._sample()), None), "scores": scores},
            "object_to_figure": {**OBJECTION, "figure": "replied_in_time", "complaint": None},
            "request_exclusion": EXCLUSION,
        }

    def in_path(self, operation_id: str, path: str) -> Json:
        """Return the values of a path that names a month or an exclusion; empty for any other."""
        if operation_id == "decide_on_exclusion":
            return {"number": self._excluded, "id": self._exclusion}
        if "{month}" not in path:
            return {}
        month = self._draft if operation_id == "inspect_case" else self._published
        return {"month": month, "id": self._objection} if "{id}" in path else {"month": month}

    def in_body(self, operation_id: str) -> Json:
        """Return the fields with which the next request to this operation can succeed; empty for any other."""
        return self._bodies.get(operation_id, {})

    def use_up(self, operation_id: str) -> None:
        """Note that the operation has succeeded: the next requests are as they come."""
        self._bodies.pop(operation_id, None)

    async def _begin(self, service: Service) -> None:
        settings = Settings(data_dir=service.data_dir)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEMPORAL_ADDRESS", service.temporal)
            client = await connect(settings)
        for month, sample in ((self._draft, 1), (self._published, 0)):
            opening = present_month(month, sample_per_agent=sample)
            await start_assessment(client, settings.task_queue, opening, CatalogueNames())

    def _post(self, path: str, body: Json, headers: dict[str, str]) -> str:
        found: str = self._http.post(path, json=body, headers=headers).raise_for_status().json()["id"]
        return found

    def _status(self) -> str:
        answer = self._http.get(f"/assessments/{self._published}")
        status: str = answer.json()["status"] if answer.is_success else answer.text
        return status

    def _sample(self) -> list[str]:
        """Return the cases of the sample that the administrator may inspect."""
        answer = self._http.get(f"/assessments/{self._draft}/inspections")
        items = answer.json()["items"] if answer.is_success else []
        return [item["complaint"] for item in items if item["agent"] != "admin"]
