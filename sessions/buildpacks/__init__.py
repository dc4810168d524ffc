"""What builders run on a repository's files: `detect`, a program of its own."""
