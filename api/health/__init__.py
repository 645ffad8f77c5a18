"""Health of the service and its parts, for `/readyz`."""

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Answer of a live process."""

    status: str = Field(examples=["alive"])


class Component(BaseModel):
    """Health of one part of the service."""

    ok: bool
    detail: str = Field(description="What was found; the reason if the part is not `ok`.")
    remedy: str | None = Field(None, description="What to do if the part is not `ok`, or will soon not be.")


class Readiness(BaseModel):
    """Readiness to take calls, and the health of each part."""

    status: str = Field(
        description="`ready`; `degraded`: calls can be taken, a part needs attention; `unavailable`: they cannot.",
        examples=["ready"],
    )
    temporal: Component = Field(description="Temporal answers and can write.")
    clock: Component = Field(description="The clock of this API process agrees with Temporal's.")
    worker: Component = Field(description="A worker asks for tasks.")
    sql: Component = Field(description="SQL answers, has its tables and can be written to.")
    disk: Component = Field(description="The folders of this machine can be written to and have space.")
    store: Component = Field(description="The files of databases and keys are in place and sound.")
    read_model: Component = Field(description="SQL has as many open cases as Temporal runs.")
    courier: Component = Field(description="The courier of notifications is at work.")
    reconciler: Component = Field(description="Temporal and SQL are compared, and no open case has lost its workflow.")
    surge_watch: Component = Field(description="The watch for surges is at work.")
    keys: Component = Field(description="Every process of the service has the same keys.")
    calendar: Component = Field(description="The holidays are known.")
    catalogue: Component = Field(description="The catalogue in force, and its faults.")


def fine(detail: str) -> Component:
    return Component(ok=True, detail=detail)


def fault(detail: str, remedy: str) -> Component:
    return Component(ok=False, detail=detail, remedy=remedy)
