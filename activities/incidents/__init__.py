"""Activities of incidents, and the surge watch."""
