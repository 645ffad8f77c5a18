"""Files that are replaced: on the disk before the call returns."""

import os
import stat
from pathlib import Path

import pytest

from hotline.files.data_folder import write_private


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, sync = tmp_path / "keys.json", [], os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_private(path, "keys")
    assert synced == [(False, False), (True, True)]
