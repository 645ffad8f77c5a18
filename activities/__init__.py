"""The only code through which workflows reach the world."""
