"""What every room's tests share: the modules in `support` can be imported by name.

Property tests run without wall-clock deadlines, because a busy machine is not a wrong result.
"""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

settings.register_profile("wetread", deadline=None)
settings.load_profile("wetread")
