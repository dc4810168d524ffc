"""Programs that builders run on a repository's files: `detect`."""
