"""People who act on the service's cases, and the capacities in which they do."""

import re
from typing import Literal, get_args

from pydantic import Field

from domain.shared.codes import Code
from domain.shared.value import Immutable, Name, NamedCode, exhaustive, omit_default


class Role(NamedCode):
    """Capacity in which somebody acts. `owner` is the person who owns the case; no key is issued for it."""

    AGENT = "agent", "话务员"
    OWNER = "owner", "首问责任人"
    DISPATCHER = "dispatcher", "派单员"
    CREW = "crew", "抢修人员"
    SUPERVISOR = "supervisor", "班长"
    MANAGER = "manager", "审批领导"
    FOLLOW_UP = "follow_up", "回访员"
    TELEPHONY = "telephony", "电话系统"
    CALLER = "caller", "来电人"
    SYSTEM = "system", "系统"
    ADMIN = "admin", "管理员"


StaffRole = Literal[
    Role.ADMIN,
    Role.AGENT,
    Role.CREW,
    Role.DISPATCHER,
    Role.FOLLOW_UP,
    Role.MANAGER,
    Role.SUPERVISOR,
    Role.TELEPHONY,
]
"""Roles that a person has: all but those of a case's owner, of callers, and of the service itself."""
STAFF_ROLES: frozenset[Role] = frozenset(get_args(StaffRole))
exhaustive("StaffRole", Role, STAFF_ROLES | {Role.OWNER, Role.CALLER, Role.SYSTEM})
OWNERS = frozenset(
    {Role.ADMIN, Role.AGENT, Role.DISPATCHER, Role.FOLLOW_UP, Role.MANAGER, Role.SUPERVISOR, Role.TELEPHONY}
)
"""Roles of people who may own cases; a crew works for its department and owns none."""
exhaustive("OWNERS, or no owners", Role, OWNERS | {Role.CREW, Role.OWNER, Role.CALLER, Role.SYSTEM})
PersonId = Name
"""Id of a person: a staff number or a login. It never changes, as the shown name may; no other person ever gets it."""


class Person(Immutable):
    """Person of the company, as the service knows them."""

    id: PersonId
    name: Name = Field(description="As it is shown.")
    role: Role
    department: Code | None = None
    districts: tuple[Code, ...] = Field((), description="Where the person works; none: everywhere.")

    @property
    def actor(self) -> "Actor":
        return Actor(id=self.id, role=self.role, department=self.department, name=shown_name(self.id, self.name))


class Actor(Immutable):
    """Person or system that acts: as the key, token, session or link tells."""

    id: PersonId
    name: str = omit_default("", "As it is shown, where that is not the id.")
    role: Role
    department: Code | None = Field(None, description="Of the person; a crew acts for it alone.")

    @property
    def people(self) -> dict[str, str]:
        """The shown name by the id, where they differ."""
        return {self.id: self.name} if self.name else {}


def shown_name(person_id: str, name: str) -> str:
    """Empty where the name is the id: so it is left out of what is written."""
    return "" if name == person_id else name


SYSTEM = Actor(id="system", role=Role.SYSTEM)
CALLER = Actor(id="caller", name="来电人 caller", role=Role.CALLER)
"""Caller, who acts by a link and in no other way."""
FORMER_CALLER = "former_caller"
"""Kind of recipient: the telephone that a caller had until a correction (原联系电话)."""
WORK_ORDER = "work-order"
"""First word of the id of a crew that acts by a printed work order (派工单)."""
RESERVED = frozenset({SYSTEM.id, CALLER.id, WORK_ORDER})
"""Ids that no person has: events name the service, callers and holders of work orders by them."""
_DASHES = re.compile("[\u2010-\u2015\u2212]")


def is_reserved(person: str) -> bool:
    """Return True for an id, as `folded` gives it, that no person may have, whatever its dashes."""
    return _DASHES.sub("-", person).partition(" ")[0] == WORK_ORDER or person in RESERVED
