"""The daemon as a systemd service: what is installed where, step by step."""
