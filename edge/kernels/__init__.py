"""How numerical code is compiled and cached."""
