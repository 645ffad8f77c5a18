"""Health of the service and its parts, for `/readyz`."""

from api.schemas import Component


def fine(detail: str) -> Component:
    return Component(ok=True, detail=detail)


def fault(detail: str, remedy: str) -> Component:
    return Component(ok=False, detail=detail, remedy=remedy)
