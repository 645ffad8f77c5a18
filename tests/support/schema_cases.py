"""Cases, incidents and assessments on which the operations of the OpenAPI document can succeed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import httpx
from pydantic_core import to_json
from sqlalchemy import update

from api.actions import operation_id
from api.documents import SAMPLE
from domain.case.actions import COMMANDS
from domain.case.intake import THANKS_SERVICE
from domain.incident.actions import INCIDENT_COMMANDS
from domain.reports.report import FORMS, ReportKind
from domain.shared.actors import Role
from hotline.cli.imports import load_customers
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, event_row, insert_missing, writing
from readmodel.cases.tables import events
from readmodel.customers import save_customers
from readmodel.notifications import DEAD, notifications
from readmodel.reports.reports import save_report
from tests.support.people import CUSTOMERS
from tests.support.schema_months import Months
from tests.support.service import Service, wait_until
from tools.docs.report_examples import example_report

Json = dict[str, Any]

CATALOGUE = """
extends = "{usual}"

[findings]
payment_late = {{ name = "Payment late", name_zh = "补偿逾期支付" }}

[[credits]]
name = "Payment late"
name_zh = "补偿逾期支付"
finding = "payment_late"
amount = "40.00"
source = "I"
"""
"""The usual catalogue, with a credit that can be owed at once."""
CHANNELS = """
[channels.sms]
kind = "sms"
url = "http://127.0.0.1:9/sms"

[[routes]]
to = "caller:*"
channels = ["sms"]
"""
"""A channel to callers' telephones, behind which there is nobody."""
SERVICE = "service_complaint"
"""A case of it can be extended by days, as its promises are long."""
_AT_WORK = ("dispatch", "sign_for")
_DONE = (*_AT_WORK, "complete")
BEFORE: Mapping[str, tuple[str, ...]] = {
    "sign_for": ("dispatch",),
    "return": _AT_WORK,
    "reject_return": (*_AT_WORK, "return"),
    "arrive": _AT_WORK,
    "suspend": _AT_WORK,
    "resume": (*_AT_WORK, "suspend"),
    "request_approval": _AT_WORK,
    "decide_approval": (*_AT_WORK, "request_approval"),
    "complete": _AT_WORK,
    "send_back": _DONE,
    "reply": _DONE,
    "follow_up": (*_DONE, "reply"),
    "reopen": (*_DONE, "reply", "follow_up"),
    "reinstate": ("withdraw",),
    "request_extension": _AT_WORK,
    "decide_extension": (*_AT_WORK, "request_extension"),
    "assign": _AT_WORK,
    "involve": _AT_WORK,
    "release": (*_AT_WORK, "involve"),
    "decide_credit": _DONE,
    "subscribe": ("unsubscribe",),
    "incident_sign_for": ("dispatch",),
}
"""Actions that bring a new case, or a new incident, to where an operation can succeed; the others need none."""
_OTHERWISE: Mapping[str, Json] = {"complete": {"findings": ["payment_late"]}, "suspend": {"wake_at": None}}
"""Fields in which what is done before differs from the documented example."""
LEAVER = "刘洋"
"""Person who owns no case, so that a handover changes none of the others."""
INSPECTED = "黄敏"
"""Agent whose case the administrator inspects."""
AT_ONCE = 8
_CALLS = 11
"""Calls from one district, of which the last raises the suspicion of an incident."""


class Subjects:
    """Cases and the like that requests are about: for each operation one on which it can succeed, then any.

    Args:
        service: the running service.
        role: role of the key that the requests carry.
        owner: owner of the cases; None for the administrator, whose key makes everything here.
        district: a district from which nobody has called.
    """

    def __init__(self, service: Service, role: Role, owner: str | None, district: str) -> None:
        headers = {"Authorization": f"Bearer {service.admin_key}"}
        self._owner = owner
        # A telephone gets one link an hour: what one role is sent must not be counted against the other.
        self._phone = "88230001" if role is Role.ADMIN else "88230002"
        self._queries = {
            "report_daily": {"date": FORMS[ReportKind.DAILY].example},
            "report_monthly": {"month": FORMS[ReportKind.MONTHLY].example},
        }
        may = {role, Role.OWNER}
        leaver = {"Authorization": f"Bearer {service.make_key(LEAVER, 'agent')}"}
        with (
            httpx.Client(base_url=f"{service.api}/v1", headers=headers, timeout=30, trust_env=False) as self._http,
            ThreadPoolExecutor(AT_ONCE) as several,
        ):
            # The API looks for a key that it does not know at once, and finds its person too.
            self._http.get("/services", headers=leaver).raise_for_status()
            fresh = {
                operation_id(name, "complaint"): several.submit(self._case, *BEFORE.get(name, ()))
                for name, action in COMMANDS.items()
                if role is Role.ADMIN or may & action.roles
            }
            if role is Role.ADMIN:
                fresh |= {
                    operation_id(name, "incident"): several.submit(self._declare, *BEFORE.get(f"incident_{name}", ()))
                    for name in INCIDENT_COMMANDS
                }
                fresh["confirm_incident"] = several.submit(self._suspect, district)
            self._fresh = {name: number.result() for name, number in fresh.items()}
            self._cases = cycle([self._case(), self._case(*_AT_WORK), self._case(*_DONE)])
            self.incident, self._other = self._declare(), self._declare()
            self._handover = self._post("/handovers", {"from": LEAVER, "to": "admin", "reason": "离职"})["id"]
            self._missed = f"missed-{role}"
            now = datetime.now(UTC).isoformat()
            ended = {"started_at": "2026-08-03T04:00:00Z", "ended_at": now, "caller_phone": "0760 8823 0009"}
            self._post("/calls", {"call_id": self._missed, **ended})
            self._noticed, self._letter = self._case(), f"{self._case()}-1-dispatcher"
            self._case(owner=INSPECTED)
            self._months = Months(service, self._http, 2001 + (role is Role.ADMIN), self._case, leaver)
        _write(service, self._noticed, self._letter)

    def in_path(self, operation: str, path: str) -> Json:
        """Return the values of the path for the next request to this operation."""
        own = {
            "resend_letter": {"key": self._letter},
            "call_back": {"call_id": self._missed},
            "get_handover": {"id": self._handover},
            "get_notice": {"number": self._noticed, "seq": SAMPLE.seq},
        }
        if found := own.get(operation) or self._months.in_path(operation, path):
            return found
        if "{number}" not in path:
            return {}
        usual = self.incident if path.startswith("/v1/incidents/") else next(self._cases)
        return {"number": self._fresh.get(operation, usual)}

    def in_query(self, operation: str) -> Json:
        """Return the parameters with which the next request to this operation can succeed; empty for most."""
        return self._queries.get(operation, {})

    def in_body(self, operation: str, body: Json) -> Json:
        """Return the fields that a body needs besides those that the document permits.

        The document cannot say which incidents there are, which digit checks the number of a case, that an incident
        has a place of one kind or another, that a case wakes later than now, nor that thanks for a person are given to
        the service of thanks: each service may be given by its names as well.
        """
        incidents = {name: self._other for name in ("incident", "into") if body.get(name)}
        people = {"from": LEAVER, "to": "admin"} if body.keys() >= {"from", "to"} else {}
        thanks = {"service_code": THANKS_SERVICE} if body.get("thanked") else {}
        cases = {"cases": [next(self._cases)]} if body.get("cases") else {}
        to_wake = body.get("wake_at") and operation in self._fresh
        wakes = {"wake_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()} if to_wake else {}
        is_somewhere = body.get("districts") or body.get("streets") or body.get("lat") is not None
        place = {} if is_somewhere or operation != "declare_incident" else {"districts": ["west"]}
        return incidents | people | thanks | cases | wakes | place | self._months.in_body(operation)

    def use_up(self, operation: str) -> None:
        """Note that the operation has succeeded: the next requests are about others."""
        self._fresh.pop(operation, None)
        self._queries.pop(operation, None)
        self._months.use_up(operation)

    def _post(self, path: str, body: Any) -> Json:
        answer = self._http.post(path, content=to_json(body), headers={"Content-Type": "application/json"})
        assert answer.is_success, (path, answer.text)
        found: Json = answer.json()
        return found

    def _case(self, *actions: str, owner: str | None = None) -> str:
        body = {
            "service_code": SERVICE,
            "description": "态度不好",
            "owner": owner or self._owner,
            "caller": {"phone": self._phone},
        }
        return self._brought(self._post("/complaints", body)["number"], *actions)

    def _declare(self, *actions: str) -> str:
        body = {"title": "咸潮", "services": ["water_quality"], "districts": ["west"]}
        return self._brought(self._post("/incidents", body)["number"], *actions)

    def _suspect(self, district: str) -> str:
        call = {"service_code": "no_water", "description": "家里没水", "location": {"district": district}}
        for _ in range(_CALLS):
            self._post("/complaints", call)

        def found() -> list[str]:
            items = self._http.get("/incidents", params={"state": "suspected"}).json()["items"]
            return [item["number"] for item in items if item["districts"] == [district]]

        wait_until(lambda: bool(found()), lambda: f"no incident is suspected in {district}")
        return found()[0]

    def _brought(self, number: str, *names: str) -> str:
        """Return the number of a case or incident, on which these actions have been taken."""
        for name in names:
            kind, table = ("incidents", INCIDENT_COMMANDS) if number.startswith("i") else ("complaints", COMMANDS)
            body = table[name].example.model_dump(mode="json") | _OTHERWISE.get(name, {})
            self._post(f"/{kind}/{number}/actions/{name}", body)
        return number


def _write(service: Service, noticed: str, letter: str) -> None:
    """Add to SQL what else takes days: a notice of a case, a dead letter, the customers, and the documented reports."""
    database = engine(f"sqlite:///{service.data_dir / 'hotline.db'}")
    died = {"status": DEAD, "dead_at": datetime.now(UTC), "next_try_at": None}
    with writing(database) as connection:
        insert_missing(connection, events, [event_row(events, noticed, SAMPLE)])
        connection.execute(update(notifications).where(notifications.c.key == letter).values(died))
        save_customers(connection, load_customers(CUSTOMERS, "utf-8", load_catalogue(DEFAULT_CATALOGUE)), "0760")
        for kind in ReportKind:
            save_report(connection, example_report(kind))
    database.dispose()
