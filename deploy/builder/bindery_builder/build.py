"""The stage that builds: untrusted code runs here, and nowhere else.

buildah runs it in a chroot, which is not relied on as a security boundary: this container has no
credentials, and `push` treats everything it leaves as untrusted.
"""

from __future__ import annotations

from . import export, memory, plan, programs, registries, seccomp
from .blame import Steps
from .order import Order
from .output import Output


def stage(order: Order, output: Output) -> dict[str, str]:
    """Build what the plan says. Raises `Failed`."""
    planned = plan.read(order)
    buildah = registries.buildah(order)
    steps = Steps(planned)
    output.title("Building the image")
    words = [*buildah, *_words(order, planned)]
    if programs.run(words, output, variables=registries.variables(order), each=steps.see):
        raise steps.failure(out_of_memory=memory.ran_out())
    output.title("Packing the image")
    export.write(order, buildah, steps.final, list(steps.committed), output)
    return {}


def _words(order: Order, planned: plan.Plan) -> list[str]:
    arguments = {**planned.arguments, **order.proxies}
    lent = ["--volume", f"{order.ca}:{order.ca}:ro"] if order.ca else []
    return [
        "build",
        # Unlike OCI's, this format keeps SHELL and HEALTHCHECK.
        "--format", "docker",
        "--isolation", "chroot",
        "--network", "host",
        *seccomp.options(order),
        "--layers",
        "--pull=never",  # also for what a base image names in its ONBUILD
        "--file", str(order.plan / "Dockerfile"),
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *lent,
        "--", planned.context,
    ]  # fmt: skip
