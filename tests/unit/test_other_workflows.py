"""The list of workflows that are no cases: a look and a sweep at the same time."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from activities.recovery.other_workflows import OtherWorkflows
from readmodel.recovery import NotOver

THEN = datetime(2026, 9, 7, tzinfo=UTC)


async def test_a_look_keeps_what_a_sweep_finds_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    client, still, asked, may_go_on = MagicMock(), {"first"}, asyncio.Event(), asyncio.Event()
    client.list_workflows.return_value.__aiter__.return_value = []
    others: Any = OtherWorkflows(client, AsyncMock(), "queue")
    monkeypatch.setattr(others, "_in_sql", AsyncMock(return_value=NotOver({"first": True, "second": True}, {})))
    monkeypatch.setattr(others, "_stands_still", AsyncMock(side_effect=lambda each, _: each in still))
    await others.sweep(None, THEN)

    async def answer_later(each: str, _: object) -> bool:
        if not asked.is_set():
            asked.set()
            await may_go_on.wait()
        return each in still

    monkeypatch.setattr(others, "_stands_still", answer_later)
    look = asyncio.ensure_future(others.stuck(None, THEN))
    await asked.wait()
    still.add("second")
    await others.sweep(None, THEN)
    may_go_on.set()
    assert await look == {"first", "second"}
