"""The sign-in half of our Microsoft Graph: discovery, device code, client credentials, refresh, with Entra's errors."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
GRANTS = {"MAIL.READWRITE"}

Reply = tuple[int, dict[str, Any]]


@dataclass
class Grant:
    """One access token."""

    login: str
    app: str
    ends: float
    permissions: frozenset[str]
    revoked: bool = False


@dataclass
class Flow:
    """One device code: `outcome` is what the person does, `polls` how often they were waited for."""

    user_code: str
    outcome: str = "pending"
    login: str = ""
    slow: int = 0
    polls: int = 0
    last: float = 0.0


@dataclass
class Entra:
    """One tenant with one application."""

    host: str
    secrets: dict[str, str] = field(default_factory=dict)
    """client secret -> "" or "expired"."""
    certificates: list[bytes] = field(default_factory=list)
    tenants: tuple[str, ...] = (TENANT, "exemple.fr", "organizations")
    public_client: bool = True
    consent: bool = True
    permissions: frozenset[str] = frozenset({"Mail.ReadWrite"})
    life: int = 3600
    interval: int = 1
    code_life: int = 900
    tokens: dict[str, Grant] = field(default_factory=dict)
    refreshes: dict[str, str] = field(default_factory=dict)
    """refresh token -> login."""
    strict: bool = True
    """Each refresh token is good once; Entra itself leaves the old one good."""
    spent: set[str] = field(default_factory=set)
    revoked: int = 0
    """An AADSTS number with which every refresh is refused, 0 for none."""
    flows: dict[str, Flow] = field(default_factory=dict)
    early_polls: int = 0
    asked: int = 0
    """Requests to the token endpoint."""

    def metadata(self, tenant: str) -> Reply:
        """OpenID Connect discovery."""
        if tenant not in self.tenants:
            return _error("invalid_tenant", 90002)
        base = f"https://{self.host}/{tenant}"
        return 200, {
            "issuer": f"https://{self.host}/{TENANT}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        }

    def device_code(self, form: dict[str, str]) -> Reply:
        """RFC 8628, 3.1."""
        if form.get("client_id") != CLIENT:
            return _error("unauthorized_client", 700016)
        if "offline_access" not in form.get("scope", ""):
            return _error("invalid_scope", 70011)
        code, shown = secrets.token_hex(16), "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(9))
        self.flows[code] = Flow(shown)
        return 200, {
            "user_code": shown,
            "device_code": code,
            "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": self.code_life,
            "interval": self.interval,
            "message": f"To sign in, use a web browser to open the page and enter the code {shown}.",
        }

    def enter(self, shown: str, outcome: str, login: str = "") -> None:
        """A person enters the code and chooses: approved, declined, expired, bad."""
        flow = next(flow for flow in self.flows.values() if flow.user_code == shown)
        flow.outcome, flow.login = outcome, login

    def token(self, form: dict[str, str], address: str) -> Reply:
        """The token endpoint."""
        self.asked += 1
        if form.get("client_id") != CLIENT:
            return _error("unauthorized_client", 700016)
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            return self._application(form, address)
        if grant == "refresh_token":
            return self._refresh(form)
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            return self._device(form)
        return _error("unsupported_grant_type", 70003)

    def _application(self, form: dict[str, str], address: str) -> Reply:
        if not form.get("scope", "").endswith("/.default"):
            return _error("invalid_scope", 1002012)
        if form["scope"] != f"https://{self.host}/.default":
            return _error("invalid_resource", 500011)
        if "client_assertion" in form:
            refused = self._assertion(form["client_assertion"], address)
            if refused:
                return refused
        else:
            state = self.secrets.get(form.get("client_secret", ""))
            if state is None:
                return 401, _error("invalid_client", 7000215)[1]
            if state:
                return 401, _error("invalid_client", 7000222)[1]
        answer = self.grant("", CLIENT)
        return 200, {k: answer[k] for k in ("access_token", "token_type", "expires_in")}

    def _assertion(self, jwt: str, address: str) -> Reply | None:
        """PS256 over a header with x5t#S256 (Microsoft, Certificate credentials)."""
        head, claims, signature = jwt.split(".")
        header, said = json.loads(_b64(head)), json.loads(_b64(claims))
        for pem in self.certificates:
            certificate = x509.load_pem_x509_certificate(pem)
            der = certificate.public_bytes(serialization.Encoding.DER)
            if _b64(header.get("x5t#S256", "")) != hashlib.sha256(der).digest() or header["alg"] != "PS256":
                continue
            key = certificate.public_key()
            assert isinstance(key, RSAPublicKey)
            try:
                key.verify(
                    _b64(signature),
                    f"{head}.{claims}".encode(),
                    padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                    hashes.SHA256(),
                )
            except InvalidSignature:
                break
            if said["aud"] == address and said["iss"] == said["sub"] == CLIENT and said["exp"] > time.time():
                return None
        return 401, _error("invalid_client", 700027)[1]

    def _refresh(self, form: dict[str, str]) -> Reply:
        given = form.get("refresh_token", "")
        if self.revoked:
            return _error("invalid_grant", self.revoked)
        if given not in self.refreshes:
            return _error("invalid_grant", 70000)
        login = self.refreshes.pop(given) if self.strict else self.refreshes[given]
        self.spent.add(given)
        return 200, self.grant(login, "")

    def _device(self, form: dict[str, str]) -> Reply:
        if not self.public_client:
            return 401, _error("invalid_client", 7000218)[1]
        flow = self.flows.get(form.get("device_code", ""))
        if flow is None or flow.outcome == "bad":
            return _error("bad_verification_code", 70018)
        now = time.monotonic()
        if flow.last and now - flow.last < self.interval * 0.9:
            self.early_polls += 1
        flow.last, flow.polls = now, flow.polls + 1
        if flow.slow:
            flow.slow -= 1
            return _error("slow_down", 0)
        if flow.outcome == "pending":
            return _error("authorization_pending", 70016)
        if flow.outcome == "declined":
            return _error("authorization_declined", 70017)
        if flow.outcome == "expired":
            return _error("expired_token", 70020)
        if not self.consent:
            return _error("invalid_grant", 65001)
        return 200, self.grant(flow.login, "")

    def grant(self, login: str, app: str) -> dict[str, Any]:
        """A new access token, and for a person a refresh token and an id token."""
        token = "at-" + secrets.token_urlsafe(24)
        self.tokens[token] = Grant(login, app, time.monotonic() + self.life, self.permissions)
        answer = {
            "token_type": "Bearer",
            "scope": "Mail.ReadWrite Mail.ReadWrite.Shared openid profile",
            "expires_in": self.life,
            "ext_expires_in": self.life,
            "access_token": token,
        }
        if login:
            refresh = "rt-" + secrets.token_urlsafe(24)
            self.refreshes[refresh] = login
            claims = {
                "aud": CLIENT, "iss": f"https://{self.host}/{TENANT}/v2.0", "sub": login, "tid": TENANT,
                "oid": str(hashlib.sha256(login.encode()).hexdigest()[:32]), "preferred_username": login,
                "iat": int(time.time()), "exp": int(time.time()) + 3600,
            }  # fmt: skip
            answer["refresh_token"] = refresh
            answer["id_token"] = f"{_jwt({'alg': 'none', 'typ': 'JWT'})}.{_jwt(claims)}."
            info = {"uid": claims["oid"], "utid": TENANT}
            answer["client_info"] = base64.urlsafe_b64encode(json.dumps(info).encode()).decode().rstrip("=")
        return answer

    def revoke_access(self) -> None:
        """Every access token given so far is refused from now on."""
        for grant in self.tokens.values():
            grant.revoked = True


def _error(error: str, number: int) -> Reply:
    return 400, {
        "error": error,
        "error_description": f"AADSTS{number}: {error}.\r\nTrace ID: 0\r\nTimestamp: 2024-01-15 08:00:00Z",
        "error_codes": [number] if number else [],
        "timestamp": "2024-01-15 08:00:00Z",
        "trace_id": "0",
        "correlation_id": "0",
    }


def _b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _jwt(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
