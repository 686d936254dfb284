"""What the app adds to MONAI Label: which images it takes, the read as an inference task, the label file."""
