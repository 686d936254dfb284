"""The parts of the Wetread module for 3D Slicer.

No thread starts and nothing is sent when something here is imported. Only `panel`, `table` and `keys` know Qt, and only
`application` needs the whole Slicer: the rest works on a bare MRML scene (PyPI: slicer-core).
"""
