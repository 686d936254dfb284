"""What every room's tests share: the drawn studies in this folder can be imported by name (`import dicom_phantoms`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
