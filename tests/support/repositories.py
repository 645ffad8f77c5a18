"""Git repositories for tests."""

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a repository; return what it printed. Raises CalledProcessError."""
    argv = ["git", "-C", str(folder), *WHO, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def make_repository(folder: Path, name: str, text: str) -> Path:
    """Make a repository whose only commit, tagged `first`, has this file; return its folder."""
    folder.mkdir()
    (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    git(folder, "tag", "first")
    return folder
