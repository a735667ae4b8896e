"""The verbs of `nanotrack-export`, one module each."""
