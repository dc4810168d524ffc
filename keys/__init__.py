"""Credentials of people: API tokens and SSH keys."""
