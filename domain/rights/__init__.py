"""Rights of roles, and what is masked for them. Tables: whoever changes a right changes one row."""
