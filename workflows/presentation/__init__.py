"""What the Temporal UI shows of a case and of an incident."""
