"""Where styles and scripts are served from: `settings` names it, `staticfolder` fills it."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Names that change with the content, also where one ES module imports another: otherwise a
    browser would go on with an old part of a new page."""

    support_js_module_import_aggregation = True
