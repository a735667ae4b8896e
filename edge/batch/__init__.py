"""Many recordings: each is one task, done once, by workers on this machine or on a cluster."""
