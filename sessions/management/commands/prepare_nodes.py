"""``manage.py prepare_nodes``: have a cluster's nodes ready for what the last week has shown.

The chart's CronJobs run it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from sessions.backends import get_backend
from sessions.backends.kubernetes import nodes
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.site import site_from_settings
from sessions.errors import BinderyError
from sessions.statistics import demand


class Command(BaseCommand):
    """The command that chooses images to pull, or sets how much room is held."""

    help = (
        "Have a cluster's nodes pull the environments that were started most in the last week, or "
        "hold room for as many notebooks as usually start in the coming hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--pull", metavar="DAEMONSET", help="the DaemonSet that pulls images")
        what.add_argument("--hold", metavar="DEPLOYMENT", help="the Deployment of placeholders")
        parser.add_argument("--images", type=int, default=5, help="how many images at most")
        parser.add_argument("--max-gb", type=float, default=20, help="GB of all images at most")
        parser.add_argument("--min", type=int, default=0, help="the least room, in notebooks")
        parser.add_argument("--max", type=int, default=10, help="the most room, in notebooks")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PORTAL_BACKEND != "kubernetes":
            raise CommandError("There are no nodes: PORTAL_BACKEND is not kubernetes.")
        cluster = Cluster(site_from_settings().namespace)
        try:
            if options["pull"]:
                size_of = get_backend().image_size
                most, max_bytes = options["images"], options["max_gb"] * 1e9
                said = pull(cluster, options["pull"], most, max_bytes, size_of)
            else:
                hour = timezone.localtime(timezone.now() + timedelta(minutes=15)).hour
                said = hold(cluster, options["hold"], options["min"], options["max"], hour)
        except BinderyError as error:
            raise CommandError(error.message) from None
        self.stdout.write(said)


def pull(
    cluster: Cluster,
    name: str,
    most: int,
    max_bytes: float,
    size_of: Callable[[str], int | None],
) -> str:
    """Have a DaemonSet pull the most popular images that fit; say which. Raises `CommandError`.

    Those without a size, which the registry does not have any more, are left out.
    """
    site, images = site_from_settings(), []
    for image, digest in demand.popular_images(most):
        size = size_of(image)
        if size is not None and size <= max_bytes:
            max_bytes -= size
            images.append(site.reference(image, digest))
    _require(nodes.set_pulled(cluster, name, images), name)
    return "\n".join(images) or "No environment was used in the last week."


def hold(cluster: Cluster, name: str, least: int, most: int, hour: int) -> str:
    """Have a Deployment hold as much room as this hour of the day may need; say how much."""
    number = max(least, min(most, demand.largest_burst(hour)))
    _require(nodes.set_held(cluster, name, number), name)
    return f"Room for {number} notebooks."


def _require(exists: bool, name: str) -> None:
    if not exists:
        raise CommandError(f"There is no “{name}” in the portal's namespace.")
