"""``python -m wetread`` is ``wetread``."""

import sys

from wetread.cli import main

sys.exit(main())
