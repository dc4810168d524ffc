"""Limits and admission: what a person may have. Knows nothing of sessions; use is handed in."""
