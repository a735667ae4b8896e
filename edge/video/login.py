"""User and password for servers of HTTP and RTSP: Basic (RFC 7617) and Digest (RFC 7616, with MD5 or SHA-256)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence


class Login:
    """Answers what a server asks for. `user` None: there is no login. Nothing is sent before a server asks."""

    def __init__(self, user: str | None, password: str | None):
        self.user = user
        self._password = password or ""
        self._challenge = ""

    def learn(self, challenges: Sequence[str]) -> bool:
        """Take what the server asks for (`WWW-Authenticate`); whether there is an answer to it."""
        known = [c for c in challenges if c.lower().startswith(("digest", "basic"))]
        if self.user is None or not known:
            return False
        # Of several ways to log in, digest is the one that does not send the password.
        self._challenge = next((c for c in known if c.lower().startswith("digest")), known[0])
        return True

    def header(self, method: str, target: str) -> dict[str, str]:
        """The head of a request for `target`, as its first line names it."""
        if not self._challenge:
            return {}
        if self._challenge.lower().startswith("basic"):
            token = base64.b64encode(f"{self.user}:{self._password}".encode()).decode()
            return {"Authorization": f"Basic {token}"}
        return {"Authorization": f"Digest {self._digest(method, target)}"}

    def _digest(self, method: str, target: str) -> str:
        asked = {k.lower(): v for k, v in re.findall(r'(\w+)="?([^",]*)"?', self._challenge)}
        algorithm, realm, nonce = asked.get("algorithm", "MD5"), asked.get("realm", ""), asked.get("nonce", "")
        digest = hashlib.sha256 if algorithm.upper().startswith("SHA-256") else hashlib.md5

        def hashed(*parts: str) -> str:
            return digest(":".join(parts).encode()).hexdigest()

        secret, what = hashed(str(self.user), realm, self._password), hashed(method, target)
        quoted = {"username": str(self.user), "realm": realm, "nonce": nonce, "uri": target}
        plain = {"algorithm": algorithm} if "algorithm" in asked else {}
        if "qop" in asked:
            client = secrets.token_hex(8)
            quoted |= {"response": hashed(secret, nonce, "00000001", client, "auth", what), "cnonce": client}
            plain |= {"qop": "auth", "nc": "00000001"}
        else:
            quoted["response"] = hashed(secret, nonce, what)
        if "opaque" in asked:
            quoted["opaque"] = asked["opaque"]
        return ", ".join([*(f'{k}="{v}"' for k, v in quoted.items()), *(f"{k}={v}" for k, v in plain.items())])
