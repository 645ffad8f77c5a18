"""A file of keys that is broken or lost is told at the start, and none takes its place by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from typer.testing import CliRunner

from hotline import installation
from hotline.cli.main import app
from hotline.installation import until_compared
from hotline.keys import KeysError, Ring
from hotline.lost_keys import make_missing_keys, require_keys
from hotline.settings import Settings
from hotline.temporal.connection import connect
from readmodel.migrate import migrate
from tests.support.api import problem, running_api
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.temporal import temporal_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, with a case in both stores."""
    async with (
        await temporal_server() as server,
        running_hotline(server, tmp_path_factory.mktemp("lost-keys")) as running,
    ):
        await (await running.start()).published(1)
        await until(running.client.count_workflows, lambda found: found.count == 1)
        yield running


async def test_no_key_is_made_while_either_store_holds_cases(hotline: Hotline, tmp_path: Path) -> None:
    kept = hotline.settings
    file = kept.keys_file
    with pytest.raises(KeysError, match=r"keys\.json is gone, and the read model holds cases"):
        require_keys(kept)
    lost_sql = Settings(data_dir=kept.data_dir, database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    migrate(lost_sql.database_url)
    with pytest.raises(KeysError, match="and Temporal holds cases"):
        await make_missing_keys(hotline.client, lost_sql)
    assert not file.exists()
    # The deliberate command.
    Ring(file).rotate()
    await make_missing_keys(hotline.client, kept)
    file.unlink()


async def test_no_key_is_made_at_the_start_while_temporal_does_not_answer(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    await make_missing_keys(await Client.connect("127.0.0.1:1", lazy=True), settings)
    assert not settings.keys_file.exists()


@pytest.mark.parametrize("url", ["postgresql+psycopg://hotline@127.0.0.1:1/hotline", "sqlite:///{}/broken.db"])
async def test_no_key_is_made_while_sql_does_not_answer(hotline: Hotline, tmp_path: Path, url: str) -> None:
    """Temporal is new: nobody but SQL could say that there were cases."""
    (tmp_path / "broken.db").write_bytes(b"garbage" * 4096)
    settings = Settings(data_dir=tmp_path, database_url=url.format(tmp_path))
    new = await Client.connect(hotline.client.service_client.config.target_host, namespace="new")
    assert not await make_missing_keys(new, settings)
    assert not settings.keys_file.exists()
    migrated = Settings(data_dir=tmp_path)
    migrate(migrated.database_url)
    assert await make_missing_keys(new, migrated)


async def test_nothing_is_signed_with_a_key_made_while_no_store_answered(
    hotline: Hotline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was lost, and both stores were away when the API started."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    url, folder = f"sqlite:///{tmp_path / 'api.db'}", tmp_path / "api"
    migrate(url)
    lost = Settings(data_dir=tmp_path / "lost")
    away = await connect(lost, lazy=True)
    async with running_api(away, url, folder, at_work=False) as api:
        assert "/readyz says" in problem(await api.register(), 503, "operator-needed")["detail"]
    assert not lost.keys_file.exists()
    # Both are back, with the cases of before.
    monkeypatch.setattr(installation, "are_of_one_installation", _are_of_one)
    with pytest.raises(KeysError, match=r"keys\.json is gone, and Temporal holds cases"):
        await until_compared(hotline.client, lost, "api")
    assert not lost.keys_file.exists()


async def _are_of_one(*_: object) -> bool:
    return True


async def test_a_new_installation_gets_its_first_key(hotline: Hotline, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    migrate(settings.database_url)
    address = hotline.client.service_client.config.target_host
    await make_missing_keys(await Client.connect(address, namespace="not-made-yet"), settings)
    assert len(Ring(settings.keys_file).list()) == 1
    await make_missing_keys(hotline.client, settings)


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
