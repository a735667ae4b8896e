"""Running networks: one Protocol, one module a backend."""
