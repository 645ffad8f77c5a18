"""The month is judged over HTTP: exclusions, inspections, objections and their decisions, by the people of the demo."""

import asyncio
import random
from http import HTTPStatus

from demo.client import Hotline, Json, Rejected
from demo.people import Person, Staff
from domain.catalogue.figures import Subject
from domain.shared.actors import Role

LOOK_AGAIN_SECONDS = 0.5
EXCLUSIONS = (
    ("beyond_duty", "管道属小区自建，不归公司维护。", "小区产权分界图及现场照片", True),
    ("force_majeure", "台风致主管爆裂，属不可抗力。", "气象台预警及现场照片", True),
    ("no_basis", "来电人要求免费改造户内装修。", "通话录音", False),
)
"""Ground, reason, evidence, and True if it is approved."""
_OBJECTIONS = (
    ("replied_in_time", "来电人要求改天回复，录音为证。", True, "录音属实，该件剔除。"),
    ("signed_in_time", "签收时系统升级，已报班长。", False, "系统记录正常，维持原结果。"),
    ("arrived_in_time", "现场封路，无法按时到达。", True, "交警证明属实，该件剔除。"),
)
"""Figure, reason, True if it is accepted, and why."""


class Judging:
    """Work of people on the assessment of one month, as 2026-08; done again, it changes nothing."""

    def __init__(self, hotline: Hotline, staff: Staff, month: str) -> None:
        self._hotline = hotline
        self._path = f"/assessments/{month}"
        self._asking, self._deciding = (staff.who(Role.SUPERVISOR, turn=turn) for turn in range(2))
        self._manager = staff.who(Role.MANAGER)
        self._rng = random.Random(month)  # noqa: S311 - a play that can be repeated, no secret

    async def argue(self) -> None:
        """Exclude, inspect, object and decide, until only time is missing. Raises Rejected, Unreachable."""
        await self._in_status("draft", "objections", "final", drawn=True)
        await self._exclude()
        await self._inspect()
        await self._in_status("objections", "final")
        await self._object()

    async def judge(self) -> Json:
        """Bring the month from the draft to the final figures; return them. Raises Rejected, Unreachable."""
        await self.argue()
        return await self._in_status("final")

    async def _in_status(self, *statuses: str, drawn: bool = False) -> Json:
        """Return the assessment once it has one of these, and its sample if it is `drawn`."""
        while True:
            try:
                found = await self._hotline.get(self._path)
            except Rejected:  # it has only just begun
                found = {"status": None}
            if found["status"] in statuses and (found["sampled"] or found["status"] != "draft" or not drawn):
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _exclude(self) -> None:
        """Have the cases with the first misses of the company excluded, or not."""
        late = await self._against("company", "company", "replied_in_time")
        for (ground, reason, evidence, approved), number in zip(EXCLUSIONS, late, strict=False):
            path, body = f"/complaints/{number}/exclusions", {"ground": ground, "reason": reason, "evidence": evidence}
            asked = await self._post(path, body, self._asking)
            decision = {"approved": approved, "reason": "已核实。" if approved else "不属于剔除范围。"}
            await self._post(f"{path}/{asked['id']}/decision", decision, self._deciding)

    async def _inspect(self) -> None:
        sample = (await self._hotline.get(f"{self._path}/inspections"))["items"]
        form = (await self._hotline.get(self._path))["standard"]["form"]
        for case in sample:
            scores = {each["code"]: round(each["points"] * self._rng.uniform(0.7, 1)) for each in form}
            body = {"complaint": case["complaint"], "scores": scores}
            await self._post(f"{self._path}/inspections", body, self._asking)

    async def _object(self) -> None:
        """Object to one miss of each of three figures of departments; the manager decides."""
        found = await self._hotline.get(self._path, {"by": Subject.DEPARTMENT})
        path = f"{self._path}/objections"
        for figure, reason, accepted, why in _OBJECTIONS:
            for subject in (item["subject"] for item in found["items"]):
                if missed := await self._against(Subject.DEPARTMENT, subject, figure):
                    where = {"by": Subject.DEPARTMENT, "subject": subject, "figure": figure, "complaint": missed[0]}
                    raised = await self._post(path, {**where, "reason": reason}, self._asking)
                    decision = {"accepted": accepted, "reason": why}
                    await self._post(f"{path}/{raised['id']}/decision", decision, self._manager)
                    break

    async def _against(self, by: str, subject: str, figure: str) -> list[str]:
        """Return the cases that count against a subject and are not excluded, on the first page."""
        asked = {"by": by, "subject": subject, "figure": figure, "limit": "200"}
        listed = await self._hotline.get(f"{self._path}/cases", asked)
        return [item["number"] for item in listed["items"] if not item["counts"] and not item["excluded"]]

    async def _post(self, path: str, body: Json, by: Person) -> Json:
        """Post what is refused only if an earlier run has done it."""
        key = "".join([self._path, path, *(body.get(part, "") for part in ("complaint", "figure", "ground"))])
        try:
            return await self._hotline.post(path, body, by=by, key=key)
        except Rejected as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise
            return {"id": "0"}
