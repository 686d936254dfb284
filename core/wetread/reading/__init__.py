"""Reader: the one way from Sample and question to Read."""
