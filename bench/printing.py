"""Print lines at a fixed rate, each with its number and its time (seconds since 1970).

    python printing.py <lines a second> <seconds>

It is the last step of a build that is watched, and runs inside the build.
"""

import sys
import time

STEP = 0.02
BEFORE = 3.0
"""Seconds for viewers to connect."""
WIDTH = 80


def main() -> None:
    """Wait, then print the lines."""
    rate, seconds = int(sys.argv[1]), float(sys.argv[2])
    time.sleep(BEFORE)
    began = time.monotonic()
    printed = 0
    while printed < rate * seconds:
        due = min(int((time.monotonic() - began + STEP) * rate), int(rate * seconds))
        lines = (f"line {number} {time.time():.6f} " for number in range(printed, due))
        sys.stdout.write("".join(f"{line:.<{WIDTH - 1}}\n" for line in lines))
        sys.stdout.flush()
        printed = due
        time.sleep(STEP)


main()
