"""Cases in the read model: their tables, lists and search."""
