"""Measure one pass of watch over many notebooks: ``python -m bench.scale.passes``.

Watch makes the reports of all notebooks whenever something in the cluster changes, at least once a
second. This needs no cluster, so it reaches sizes that no test cluster has.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from sessions.backends.kubernetes.reports import Snapshot
    from sessions.backends.kubernetes.site import Site

SIZES = (250, 500, 1000, 2000, 5000, 10_000)
ROUNDS = 5


def main() -> int:
    """Print a table with the milliseconds of CPU for each number of notebooks."""
    with tempfile.TemporaryDirectory(prefix="bindery-scale-") as own:
        os.environ["PORTAL_DATA"] = own
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        django.setup()
        from sessions.backends.kubernetes.site import site_from_settings  # noqa: PLC0415

        print("| notebooks | ms per pass |\n|---:|---:|")
        for number in SIZES:
            print(f"| {number:,} | {_milliseconds(number, site_from_settings()):.0f} |", flush=True)
    return 0


def _milliseconds(number: int, site: Site) -> float:
    from sessions.backends.kubernetes import reports  # noqa: PLC0415

    taken, snapshot = [], running(number, site)
    for _round in range(ROUNDS):
        began = time.process_time()
        found = {report.id: report for report in reports.reports(snapshot, site)}
        taken.append((time.process_time() - began) * 1000)
        if {report.state for report in found.values()} != {"ready"}:
            raise ValueError("not all notebooks are ready")
    return statistics.median(taken)


def running(number: int, site: Site) -> Snapshot:
    """Return what watch knows when this many notebooks run and have answered."""
    from bench.scale.pods import course, now  # noqa: PLC0415 -- only once Django is set up
    from quotas.resources import Resources  # noqa: PLC0415
    from sessions.backends import ServerSpec  # noqa: PLC0415
    from sessions.backends.kubernetes import reports, serverpod  # noqa: PLC0415

    secrets, pods = {}, {}
    for each in range(number):
        person = f"person-{each}"
        spec = ServerSpec(
            id=each,
            name=f"{person}-project",
            owner=person,
            volume=person,
            owner_id=each,
            url="https://example.org/repository",
            resources=Resources(0.1, 1, 0.2, 1, 0),
            volume_gb=1,
            image="image",
            commit="c" * 40,
            token="t",  # noqa: S106  nobody checks it
        )
        secret, pod = serverpod.secret(spec), serverpod.pod(spec, site, f"secret-{each}")
        for thing in (secret, pod):
            thing["metadata"] |= {"uid": f"{thing['kind']}-{each}", "creationTimestamp": now()}
        pod["spec"]["nodeName"] = f"node-{each // 100}"
        *_before, status = course(pod)
        pod["status"] = {**status, "podIP": "127.0.0.1"}
        secrets[secret["metadata"]["name"]], pods[pod["metadata"]["name"]] = secret, pod
    uids = frozenset(pod["metadata"]["uid"] for pod in pods.values())
    return reports.Snapshot(secrets, pods, uids, {}, frozenset(pods), datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main())
