"""Programs for developers, which the service does not use."""
