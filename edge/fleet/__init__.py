"""Many boards, one view: the same person has the same number on every camera, over an MQTT broker."""
