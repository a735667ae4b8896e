"""Stand-ins for TensorRT and pycuda that compute on the CPU. SIMULATED: they say nothing of a GPU's speed or rounding.

The folder goes in front of `sys.path`, so that `import tensorrt` finds them. That every name they offer exists in
NVIDIA's own bindings is shown by `test_conformance.py`.
"""
