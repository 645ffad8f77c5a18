"""People who act on the service's cases, and the capacities in which they do."""

from pydantic import Field

from domain.shared.codes import Code
from domain.shared.text import Name
from domain.shared.value import Immutable, NamedCode, omit_default


class Role(NamedCode):
    """Capacity in which somebody acts. `owner` is the person who owns the case; no key is issued for it."""

    AGENT = "agent", "话务员"
    OWNER = "owner", "首问责任人"
    DISPATCHER = "dispatcher", "派单员"
    CREW = "crew", "抢修人员"
    SUPERVISOR = "supervisor", "班长"
    MANAGER = "manager", "审批领导"
    FOLLOW_UP = "follow_up", "回访员"
    CALLER = "caller", "来电人"
    SYSTEM = "system", "系统"
    ADMIN = "admin", "管理员"


class Actor(Immutable):
    """Person or system that acts: taken from the API key, never from the body."""

    name: Name
    role: Role
    department: Code | None = Field(default=None, description="Set for a crew's key: it acts on its own cases only.")
    unverified: bool = omit_default(default=False, description="Nobody has checked who it is.")


SYSTEM = Actor(name="system", role=Role.SYSTEM)
