"""Fetch a notebook's second repository, and merge it into a folder of the project's files.

It is cloned as for a build, in a sandbox with git alone, and then merged as the first repository is
(`home`), with a record of its own. A folder that had the content once is good enough to start with:
then the notebook starts whatever keeps the new content away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sessions.repofiles import merge

from .build import Build
from .cgroups import Group
from .jobs import Content, Key, ServerJob
from .log import Log
from .status import JobFailed, Status

_RECORD = "content-record"
_TIMEOUT = "build.timeout"


class ContentFetch(Build):
    """One fetch of the content. ``folder`` is the keeper's run folder, ``target`` its own."""

    def __init__(
        self,
        folder: Path,
        content: Content,
        log: Log,
        key: Key | None,
        group: Group | None,
        target: tuple[str, str],
    ) -> None:
        super().__init__(folder, content.fetch, log, key, group, None)
        self._target = target

    async def _steps(self) -> Status:
        await self._fetch()
        clone = str(self._partial / "home")
        return Status(files=merge.merge(clone, *self._target, self._job.commit))


async def prepare_content(
    job: ServerJob, folder: Path, home: Path, log: Log, key: Key | None, group: Group | None
) -> dict[str, Any]:
    """Bring the content into its folder below ``home``, and return the merge's report.

    The report has ``left``, the reason, if the folder stays as it was. Raises `JobFailed` with the
    code ``spawn.content`` if there is nothing to start with.
    """
    content = job.content
    if content is None or (content.unless_puller and _has_puller(job)):
        return {}
    target = (str(home / content.folder), str(_record(job)))
    named = {"folder": content.folder, "commit": content.fetch.commit}
    try:
        try:
            report = merge.merge("", *target, content.fetch.commit)
        except merge.MergeFailed as failed:
            if failed.code != "merge.no-source":
                raise
            report = (await ContentFetch(folder, content, log, key, group, target).run()).files
    except (merge.MergeFailed, JobFailed) as failed:
        why = "It took too long." if failed.code == _TIMEOUT else failed.message
        if _was_filled(job):
            return {**named, "left": why}
        raise JobFailed(
            "spawn.content",
            f"The content of {content.fetch.url} could not be fetched, so the notebook was not "
            f"started: {why}",
        ) from failed
    return {**report, **named}


def _record(job: ServerJob) -> Path:
    return Path(job.project, _RECORD)


def _was_filled(job: ServerJob) -> bool:
    return _record(job).exists()


def _has_puller(job: ServerJob) -> bool:
    """Return whether the environment has nbgitpuller, which fetches the content itself."""
    packages = Path(job.environment, "env/lib").glob("python3*/site-packages/nbgitpuller")
    return any(packages)
