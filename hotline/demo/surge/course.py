"""Further steps of one case from its present state, each by the person who may do it.

What comes next follows from the case's state alone, and each step has a key that follows from the case: so a demo that
was killed goes on with no memory of its own, and does nothing twice.
"""

from dataclasses import dataclass

from domain.case.lifecycle import State
from domain.case.satisfaction import SATISFIED, Satisfaction
from domain.shared.actors import Role
from hotline.demo.client import Hotline, Json
from hotline.demo.journal import Journal
from hotline.demo.people import Person, Staff
from hotline.demo.surge.plan import OF_THE_TIDE, Call, Kind
from hotline.demo.surge.words import DONE_AGAIN, NOBODY, NOT_CONTENT, OWN_DONE, TOLD_AGAIN
from hotline.demo.texts import Work, words


@dataclass(frozen=True)
class Session:
    """People, client and journal of one run."""

    hotline: Hotline
    staff: Staff
    journal: Journal

    def key(self, call: Call) -> str:
        """Return the beginning of every idempotency key of this call's case."""
        return f"surge-{self.journal.run}-{call.index}"

    async def register(self, call: Call) -> Json:
        """Return the case of the call, registered now or by an earlier run. Raises Rejected, Unreachable."""
        number = self.journal.numbers.get(call.index)
        if number is not None:
            return await self.hotline.get(f"/complaints/{number}")
        agent = self.staff.named(call.owner)
        body = call.intake_of(self.journal.run)
        complaint = await self.hotline.post("/complaints", body, by=agent, key=self.key(call))
        self.journal.note(call.index, complaint["number"])
        return complaint

    async def act(self, call: Call, action: str, body: Json, by: Person, key: str) -> Json:
        """Act on the call's case, once. Raises Rejected, Unreachable."""
        path = f"/complaints/{self.journal.numbers[call.index]}/actions/{action}"
        return await self.hotline.post(path, body, by=by, key=f"{self.key(call)}-{key}")

    async def see_through(self, call: Call, complaint: Json) -> Json:
        """Bring the case to its end. Raises Rejected, Unreachable."""
        while step := _next(call, complaint):
            action, role, body = step
            department = complaint["department"] or call.offer.department
            person = self.staff.who(role, owner=complaint["owner"], department=department, turn=call.index)
            # Only a follow-up may come twice in a cycle.
            key = f"{complaint['cycle']}-{action}-{complaint['follow_up_attempts']}"
            complaint = await self.act(call, action, body, person, key)
        return complaint


def _next(call: Call, complaint: Json) -> tuple[str, Role, Json] | None:
    """Return the next step and its person, or None at the end."""
    done, told = _words(call)
    match State(complaint["state"]):
        case State.REGISTERED:
            # An emergency goes out while the caller is still on the line.
            role = Role.AGENT if call.kind is Kind.EMERGENCY else Role.DISPATCHER
            return "dispatch", role, {"department": call.offer.department}
        case State.DISPATCHED:
            return "sign_for", Role.CREW, {}
        case State.IN_PROGRESS:
            body = done.completion(call.offer.findings)
            return "complete", Role.CREW, body.model_dump(mode="json", exclude_none=True)
        case State.PENDING_REPLY:
            return "reply", Role.OWNER, {"message": told}
        case State.PENDING_FOLLOW_UP:
            outcome = call.outcomes[complaint["follow_up_attempts"]] if complaint["cycle"] == 1 else "satisfied"
            return "follow_up", Role.FOLLOW_UP, _answers(call, outcome)
    return None


def _answers(call: Call, outcome: str) -> Json:
    """Return the follow-up that comes out so."""
    if outcome == "unreachable":
        return {"contacted": False, "note": NOBODY}
    if outcome == "dissatisfied":
        return {"contacted": True, "solved": False, "satisfaction": Satisfaction.DISSATISFIED, "note": NOT_CONTENT}
    return {"contacted": True, "solved": True, "satisfaction": SATISFIED[call.index % len(SATISFIED)]}


def _words(call: Call) -> tuple[Work, str]:
    if call.kind in OF_THE_TIDE:
        return DONE_AGAIN, TOLD_AGAIN
    said = words(call.offer.code)
    return (OWN_DONE if call.kind is Kind.OWN_CAUSE else said.done[0]), said.told
