"""The last step of a build that is watched: prints so many lines a second, each with its number
and the moment (seconds since 1970) at which it was printed. Runs inside the build.

    python printing.py <lines a second> <seconds>
"""

import sys
import time

STEP = 0.02
BEFORE = 3.0
"""Seconds in which whoever wants to watch can come."""
WIDTH = 80


def main() -> None:
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
