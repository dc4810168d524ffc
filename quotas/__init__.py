"""What a person may have: limits and admission. Knows nothing of sessions; use is handed in."""
