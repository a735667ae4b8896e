"""How fast a model pack tracks on this board, where the time goes, and how far the numbers are to be trusted."""
