"""People who act on the service's cases, and the capacities in which they do."""

from enum import StrEnum

from pydantic import Field

from domain.shared.codes import Code
from domain.shared.text import Name
from domain.shared.value import Immutable


class Role(StrEnum):
    """Capacity in which somebody acts. `owner` is the person who owns the case; no key is issued for it."""

    AGENT = "agent"
    OWNER = "owner"
    DISPATCHER = "dispatcher"
    CREW = "crew"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    FOLLOW_UP = "follow_up"
    CALLER = "caller"
    SYSTEM = "system"
    ADMIN = "admin"


ROLE_ZH = {
    Role.AGENT: "话务员",
    Role.OWNER: "首问责任人",
    Role.DISPATCHER: "派单员",
    Role.CREW: "抢修人员",
    Role.SUPERVISOR: "班长",
    Role.MANAGER: "审批领导",
    Role.FOLLOW_UP: "回访员",
    Role.CALLER: "来电人",
    Role.SYSTEM: "系统",
    Role.ADMIN: "管理员",
}


class Actor(Immutable):
    """Person or system that acts: taken from the API key, never from the body."""

    name: Name
    role: Role
    department: Code | None = Field(default=None, description="Set for a crew's key: it acts on its own cases only.")


SYSTEM = Actor(name="system", role=Role.SYSTEM)
