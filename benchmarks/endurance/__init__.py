"""Long runs, faults, emulated boards."""
