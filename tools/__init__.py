"""What the build uses and the service does not."""
