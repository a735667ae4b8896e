"""Why a stream does not come: one sentence for each reason that its user has to do something else about."""

import socket

from edge.errors import NotFoundError


class LoginRefusedError(NotFoundError):
    """A camera that wants another user and password: who asks again and again gets the account locked."""


def refusal(code: int, phrase: str, has_login: bool) -> NotFoundError:
    """The error for a status of HTTP or RTSP that is no success."""
    kind = LoginRefusedError if code in (401, 403, 407) else NotFoundError
    return kind(of_status(code, phrase, has_login))


def of_status(code: int, phrase: str, has_login: bool) -> str:
    """What a status of HTTP or RTSP (RFC 7826, section 17) means to a user who wants pictures."""
    if code in (401, 407):
        said = "refuses this user and password" if has_login else "asks for user and password; give credentials"
        return f"{said} ({code})"
    if code == 403:
        return "does not allow this user to see it (403); look at the user's rights in the camera"
    if code in (404, 410, 454):
        return f"has no stream of this name ({code}); compare the path with the camera's manual"
    if code == 461:
        return "offers neither TCP nor UDP as transport (461), or not the rtsp_transport asked for; choose another"
    if code >= 500:
        return f"fails itself ({code} {phrase}); restart the camera, or look whether it has too many viewers"
    return f"answers {code} {phrase}"


def of_os_error(error: OSError, host: str, silence_s: float) -> str:
    """What went wrong on the way to `host`."""
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not known here; look for a typing error, or give the address in numbers"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses the connection: nothing listens at this port; is the camera on, and the port right?"
    if isinstance(error, TimeoutError):
        return f"{host} does not answer within {silence_s:g} s; is the camera on, and in this network?"
    if isinstance(error, ConnectionError):
        return f"{host} breaks off the connection"
    return f"{host} cannot be reached: {error.strerror or error}"
