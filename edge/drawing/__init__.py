"""How tracks look in a picture."""
