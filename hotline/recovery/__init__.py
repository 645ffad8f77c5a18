"""Rebuilds and verifications of the two stores."""
