"""OpenVINO on the CPU: whether it is here, how it runs a network, and what it was found to be worth on this board."""
