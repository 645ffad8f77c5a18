"""Customers (客户) of the registry."""
