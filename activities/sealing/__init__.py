"""Envelope, stamps and keys of what Temporal stores."""
