"""Base of the read model: connections, statements, columns and pages."""
