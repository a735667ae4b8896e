"""What happened, by minute, in an SQLite file: people, crossings, zones; totals that outlive a restart."""
