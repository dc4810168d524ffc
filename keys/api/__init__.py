"""The REST API of what a person proves themselves with; `sessions.api.urls` gives the addresses."""
