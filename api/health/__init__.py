"""Health of the service and its parts, for `/readyz`."""
