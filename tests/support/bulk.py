"""Catalogues that a test puts in force, handovers that it orders, and the starts of their workflows."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from domain.case.bulk import Handover
from domain.catalogue.catalogue import Catalogue
from domain.shared.actors import Actor, Role
from hotline.files.catalogue_store import CatalogueStore, edition_of
from readmodel.people.workload import begin_handover
from tests.support.hotline import OWNER, Hotline
from workflows.bulk import HandoverStart, RolloutStart


def put_in_force(hotline: Hotline, catalogue: Catalogue, **changes: Any) -> RolloutStart:
    """Put the catalogue in force, as `hotline catalogue apply` does; return the start of its rollout."""
    store, now = CatalogueStore(hotline.settings.catalogues_dir), datetime.now(UTC)
    last = store.last()
    if last is None or last.edition != edition_of(catalogue):
        store.put(catalogue, hotline.settings.catalogue, now, by="chief")
    values = {
        "edition": edition_of(catalogue),
        "serial": len(store.entries()),
        "closed_after": now - timedelta(seconds=catalogue.reopen_seconds),
        "settle_seconds": 0,
    }
    return RolloutStart.model_validate(values | changes)


async def order_handover(hotline: Hotline, handover_id: str, **changes: Any) -> HandoverStart:
    """Order a handover of the cases of OWNER to li, as the API does; return the start of its workflow."""
    supervisor = Actor(id="xu", role=Role.SUPERVISOR)
    order = Handover(id=handover_id, previous_owner=OWNER, owner="li", reason="病假", actor=supervisor)
    assert await hotline.projection.run(partial(begin_handover, handover=order, at=datetime.now(UTC)))
    return HandoverStart.of(order).model_copy(update=changes)
