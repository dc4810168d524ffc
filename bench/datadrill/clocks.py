"""Set the clock of the portal's own processes ahead; the machine's stays as it is.

libfaketime does not work for this: it either moves the monotonic clock, too, so that threads of
Python wait forever, or makes their sleep fail. So a library of a few lines, compiled here, moves
only the time of day.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_SOURCE = r"""
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t ahead(void) {
    const char *text = getenv("CLOCK_AHEAD");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    return done;
}
time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
"""


def ahead(folder: Path, seconds: int) -> tuple[str, ...]:
    """Return the words before a command that set its clock ahead.

    The library is compiled in ``folder``.
    """
    library = folder / "clock.so"
    compiler = ["cc", "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=_SOURCE, text=True, check=True)
    return ("env", f"LD_PRELOAD={library}", f"CLOCK_AHEAD={seconds}")
