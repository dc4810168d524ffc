"""Render a README or a notebook of a repository, to read while its environment is built.

Nobody vouches for the file, and what renders it is a lot of code. So `run` has a process of its own
do it: with an empty environment, little memory and time, and, from before it reads the file, no way
to open anything, to connect to anything or to start anything (`lockdown`). `render` uses nbconvert
and cleans what comes out of it. No Django, except in `run`.
"""

MAX_INPUT_BYTES = 8 * 2**20
MAX_OUTPUT_BYTES = 2**21
INVALID, TOO_LARGE = 3, 4
"""Exit codes of the process."""
CUT = "The rest is not shown in this preview."
"""The sentence at the end of what is too long."""
