"""Where results go: text, JSON lines, annotated video."""
