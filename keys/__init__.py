"""What a person proves themselves with: API tokens."""
