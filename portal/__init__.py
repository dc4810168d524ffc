"""The site: settings, people, pages, the admin and health checks."""
