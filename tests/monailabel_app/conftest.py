"""The app folder on the path, as MONAI Label puts it there while it loads the app."""

import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "monailabel_app"
sys.path.insert(0, str(APP))
