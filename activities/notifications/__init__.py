"""Delivery of notifications: courier, routing, texts and channels."""
