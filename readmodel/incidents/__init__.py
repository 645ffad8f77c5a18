"""Incidents (突发事件) in the read model."""
