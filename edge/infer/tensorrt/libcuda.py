"""Calls of the CUDA driver for which pycuda has no binding, by their names and numbers in cuda.h.

pycuda has loaded the same library; the device's context must be current in every call.
"""

import ctypes

_LIBRARY = "libcuda.so.1"


class DriverError(Exception):
    """What the driver refused or has not got; the message says which call and why."""


class Driver:
    """The driver's functions, by name."""

    def __init__(self) -> None:
        """Find it. Raises DriverError where there is none."""
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise DriverError(str(error)) from error

    def call(self, name: str, *arguments: object) -> None:
        """Call function `name`, which gives back a status. Raises DriverError."""
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise DriverError(f"this driver has no {name}") from error
        status = function(*arguments)
        if status:
            raise DriverError(f"{name}: {self._words(status)}")

    def _words(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
        return f"{text.value.decode() if text.value else 'unknown'} ({status})"
