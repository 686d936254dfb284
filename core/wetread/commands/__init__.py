"""One module per command; `cli` imports a module only when its command runs."""
