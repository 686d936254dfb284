"""The parts of the Wetread module for 3D Slicer.

Nothing here imports Qt or starts a thread when it is imported. Everything but the panel works on a bare MRML scene
(PyPI: slicer-core), which is what the tests run on.
"""
