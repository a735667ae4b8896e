"""Pictures of what happened: a snapshot for each event that asks for one, and a clip of some seconds around it."""
