"""The complaint itself: plain Python and pydantic, without I/O, clock or randomness."""
