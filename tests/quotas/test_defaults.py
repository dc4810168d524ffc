"""Default limits, where nobody has set any: the table in `docs/limits.md`."""

from __future__ import annotations

from quotas.limits import defaults

GPUS = {"max_gpu": 2, "total_gpu": 5}
DEFAULTS = {
    "projects": 5,
    "running": 20,
    "cpu_request": 1,
    "cpu_limit": 8,
    "memory_request_gb": 1,
    "memory_limit_gb": 16,
    "max_cpu": 16,
    "max_memory_gb": 64,
    "total_cpu": 32,
    "total_memory_gb": 128,
    "idle_days": 7,
    "volume_gb": 10,
    "builds": 5,
}


def test_the_documented_defaults_apply_in_a_cluster(settings):
    settings.PORTAL_BACKEND = "kubernetes"
    assert defaults() == DEFAULTS | GPUS


def test_the_gpu_defaults_are_zero_on_one_machine(settings):
    settings.PORTAL_BACKEND = "local"
    assert defaults() == DEFAULTS | dict.fromkeys(GPUS, 0)


def test_the_maximum_is_at_least_the_default_resources(settings):
    settings.PORTAL_CPU_LIMIT, settings.PORTAL_MEMORY_LIMIT_GB = 40, 200
    found = defaults()
    assert (found["max_cpu"], found["max_memory_gb"]) == (40, 200)
