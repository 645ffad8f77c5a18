"""A file of keys that is broken or lost is told at the start, and none takes its place by itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from typer.testing import CliRunner

from hotline.cli.main import app
from hotline.installation import adopt, compare_stores, require_keys, require_own, until_compared
from hotline.keys import KeysError, Ring
from hotline.settings import Settings
from hotline.temporal.connection import connect
from readmodel.base.database import opened, writing
from readmodel.migrate import migrate
from readmodel.processes import state_sealing
from tests.support.api import problem, running_api
from tests.support.hotline import Hotline, running_hotline
from tests.support.temporal import temporal_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, with a case in both stores, which have an id since."""
    async with (
        await temporal_server() as server,
        running_hotline(server, tmp_path_factory.mktemp("lost-keys")) as running,
    ):
        await (await running.start()).published(1)
        assert await adopt(running.client, running.settings)
        yield running


async def test_no_key_is_made_while_either_store_has_cases_or_an_id(hotline: Hotline, tmp_path: Path) -> None:
    kept = hotline.settings
    file = kept.keys_file
    assert not file.exists()
    with pytest.raises(KeysError, match=r"keys\.json is gone, and the read model .* belongs to installation"):
        require_keys(kept)
    await adopt(await new(hotline), kept)
    lost_sql = Settings(data_dir=kept.data_dir, database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    migrate(lost_sql.database_url)
    with pytest.raises(KeysError, match=r"keys\.json is gone, and Temporal .* belongs to installation"):
        require_keys(lost_sql, *reversed(await compare_stores(hotline.client, lost_sql)))
    assert await adopt(hotline.client, lost_sql)
    with pytest.raises(KeysError, match="is gone"):
        await require_own(hotline.client, lost_sql, "api")
    assert not file.exists()
    # The deliberate command.
    Ring(file).rotate()
    await require_own(hotline.client, kept, "api")
    file.unlink()


async def new(hotline: Hotline) -> Client:
    """Return a client of a namespace that is not made yet."""
    return await Client.connect(hotline.client.service_client.config.target_host, namespace="not-made-yet")


async def test_no_key_is_made_while_temporal_does_not_answer(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    migrate(settings.database_url)
    away = await Client.connect("127.0.0.1:1", lazy=True)
    assert await adopt(away, settings) is None
    await require_own(away, settings, "api")
    assert not settings.keys_file.exists()


@pytest.mark.parametrize("url", ["postgresql+psycopg://hotline@127.0.0.1:1/hotline", "sqlite:///{}/broken.db"])
async def test_no_key_is_made_while_sql_does_not_answer(hotline: Hotline, tmp_path: Path, url: str) -> None:
    """Temporal is new: nobody but SQL could say that there were cases."""
    (tmp_path / "broken.db").write_bytes(b"garbage" * 4096)
    settings = Settings(data_dir=tmp_path, database_url=url.format(tmp_path))
    await adopt(await new(hotline), settings)
    assert not settings.keys_file.exists()


async def test_no_key_is_made_where_one_has_sealed_before(hotline: Hotline, tmp_path: Path) -> None:
    """Neither store has an id or a case: a key is lost all the same."""
    settings = Settings(data_dir=tmp_path)
    migrate(settings.database_url)
    with opened(settings.database_url) as database, writing(database) as connection:
        state_sealing(connection, "0" * 8, datetime.now(UTC))
    await adopt(await new(hotline), settings)
    assert not settings.keys_file.exists()


async def test_a_new_installation_gets_its_first_key_once(hotline: Hotline, tmp_path: Path) -> None:
    """Two machines are set up with the same stores: the second one lacks the file of the first."""
    first, second = (Settings(data_dir=tmp_path / name, database_url=f"sqlite:///{tmp_path}/both.db") for name in "ab")
    migrate(first.database_url)
    for settings in (first, first, second):
        await adopt(await new(hotline), settings)
    assert (len(Ring(first.keys_file).list()), second.keys_file.exists()) == (1, False)


async def test_nothing_is_sealed_with_a_key_made_while_no_store_answered(
    hotline: Hotline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was lost, and both stores were away when the API started."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    url, folder = f"sqlite:///{tmp_path / 'api.db'}", tmp_path / "api"
    migrate(url)
    lost = Settings(data_dir=tmp_path / "lost", database_url=url)
    away = await connect(lost, lazy=True)
    async with running_api(away, url, folder, at_work=False) as api:
        assert "/readyz says" in problem(await api.register(), 503, "operator-needed")["detail"]
    # Both are back, with the cases of before.
    await adopt(hotline.client, lost)
    with pytest.raises(KeysError, match=r"keys\.json is gone"):
        await until_compared(hotline.client, lost)
    assert not lost.keys_file.exists()


async def test_hotline_up_refuses_a_broken_file_of_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("\x00garbage", encoding="utf-8")
    ended = CliRunner().invoke(app, ["up", "--data-dir", str(tmp_path)])
    assert isinstance(ended.exception, KeysError)
    said = str(ended.exception)
    assert f"{tmp_path / 'keys.json'} holds no keys" in said
    assert "`secret`" in said
    assert "backup" in said
    assert not (tmp_path / "logs").exists()


async def test_hotline_up_refuses_to_start_without_the_keys_of_its_cases(hotline: Hotline) -> None:
    with pytest.raises(KeysError, match="hotline keys rotate"):
        require_keys(hotline.settings)
