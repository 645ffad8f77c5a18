"""Notifications in the read model, and their deliveries."""
