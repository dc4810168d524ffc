"""Check and prepare the image that has Python; runs in it as root, as the first build step.

    prepare.py [<version of Python that the repository asks for>]

The Dockerfile comes from `python_image`. Ends with 3 and a message if the version is another one.
Then lets uid 1000 install packages: only folders change their owner, so the layer stays small.
"""

import os
import sys
import sysconfig

HOME = "/home/jovyan"
NB_UID = 1000


def main() -> None:
    """Check the version and give the folders to uid 1000."""
    asked = sys.argv[1:]
    there = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if asked and asked[0] != there:
        print(f"The repository asks for Python {asked[0]}; this portal has {there}.")  # noqa: T201
        sys.exit(3)
    os.makedirs(HOME, exist_ok=True)
    os.chown(HOME, NB_UID, NB_UID)
    paths = sysconfig.get_paths()
    for folder in {paths["purelib"], paths["platlib"], paths["scripts"]}:
        _chown(folder)
    for name in ("etc", "share", "include", "lib/node_modules"):
        folder = os.path.join(paths["data"], name)
        os.makedirs(folder, exist_ok=True)
        _chown(folder)


def _chown(folder: str) -> None:
    for path, _, _ in os.walk(folder):
        os.chown(path, NB_UID, NB_UID)


if __name__ == "__main__":
    main()
