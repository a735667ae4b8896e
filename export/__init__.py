"""The exporter: checkpoints in, a model pack out. Runs on a workstation, without PyTorch and without a GPU."""
