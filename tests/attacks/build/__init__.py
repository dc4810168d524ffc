"""Attempts by a repository while it is built: by its files that name packages and images, and by
programs in its steps (`sandbox`).
"""

import tests.builder  # noqa: F401  by which the builder's program is found
