"""Catalogues that a test puts in force, and the starts of their rollouts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.catalogue.catalogue import Catalogue
from hotline.files.catalogue_store import CatalogueStore, edition_of
from tests.support.hotline import Hotline
from workflows.bulk import RolloutStart


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
