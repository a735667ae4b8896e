"""The verbs of the `nanotrack` command, one module each."""
