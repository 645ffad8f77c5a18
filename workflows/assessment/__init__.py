"""The workflow of one month's assessment (月度考核)."""
