"""The stage that builds: untrusted code runs here, and nowhere else.

buildah runs it in a chroot, which is not relied on as a security boundary: this container has no
credentials, and `push` treats everything it leaves as untrusted.
"""

from __future__ import annotations

from . import export, here_documents, memory, plan, programs, registries, seccomp
from .buildspec import BuildSpec
from .output import Output
from .step_failure import StepTracker


def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Build what the plan says. Raises `BuildFailed`."""
    planned = plan.read(spec)
    buildah = registries.buildah_command(spec)
    steps = StepTracker(planned)
    output.write_heading("Building the image")
    words = [*buildah, *_build_options(spec, planned)]
    if programs.run(
        words, output, variables=registries.buildah_environment(spec), on_line=steps.feed
    ):
        raise steps.failure(out_of_memory=memory.ran_out())
    output.write_heading("Packing the image")
    export.write(spec, buildah, steps.final, list(steps.committed), output)
    return {}


def _build_options(spec: BuildSpec, planned: plan.Plan) -> list[str]:
    arguments = {**planned.arguments, **spec.proxies}
    lent = ["--volume", f"{spec.ca}:{spec.ca}:ro"] if spec.ca else []
    if spec.ignore_file.exists():
        lent += ["--ignorefile", str(spec.ignore_file)]
    if spec.documents.exists():
        lent += ["--build-context", f"{here_documents.CONTEXT}={spec.documents}"]
    return [
        "build",
        # Unlike OCI's, this format keeps SHELL and HEALTHCHECK.
        "--format", "docker",
        "--isolation", "chroot",
        "--network", "host",
        *seccomp.options(spec),
        "--layers",
        "--pull=never",  # not even images that a base image's ONBUILD names
        "--file", str(spec.plan / "Dockerfile"),
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *lent,
        "--", planned.context,
    ]  # fmt: skip
