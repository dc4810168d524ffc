"""The site: settings, the person's row, pages, admin, health."""
