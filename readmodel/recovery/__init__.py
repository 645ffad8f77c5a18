"""Queries of the reconciler, rebuilds and verifications."""
