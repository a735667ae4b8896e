"""What a person at the terminal sees of a long run, and how it stops."""
