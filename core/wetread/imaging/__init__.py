"""From DICOM, NIfTI and pictures to Sample: what the model is given, tied back to instances and geometry."""
