"""The builder image's program, which is not part of the portal: it is imported from its folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "deploy/builder"))
