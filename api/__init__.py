"""HTTP interface: operations, problems, authentication."""
