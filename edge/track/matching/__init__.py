"""Which detection belongs to which track: boxes, similarity, assignment."""
