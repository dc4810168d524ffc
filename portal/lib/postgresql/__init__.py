"""Django's back end for PostgreSQL, with a limit on the time that a statement may take."""
