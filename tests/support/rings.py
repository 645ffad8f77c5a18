"""Rings of keys of the tests."""

from pathlib import Path

from hotline.keys import Ring


def ring_at(path: Path) -> Ring:
    """Return the ring of a file, which is made with one key if there is none."""
    ring = Ring(path)
    if not ring.list():
        ring.rotate()
    return ring
