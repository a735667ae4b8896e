"""Official weights by name, fetched and checked."""
