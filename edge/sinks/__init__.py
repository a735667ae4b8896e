"""Where results go: the contract of an output, the wire format, files, MQTT, annotated video."""
