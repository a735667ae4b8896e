"""The tracking methods, a module each."""
