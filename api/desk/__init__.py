"""The desk (工作台): lists, cases and actions as pages, in the session of the Temporal UI."""
