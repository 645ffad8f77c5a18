"""What the reconciler, rebuilds and verifications ask the read model."""
