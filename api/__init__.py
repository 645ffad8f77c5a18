"""The door: HTTP, its problems and its security."""
