"""The REST API of people's API tokens; `sessions.api.urls` has the URL patterns."""
