"""Connections of the environment, as Airflow itself reads them; what is missing or wrong is said without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.credentials import Credentials, parse_connection, resolve, set_fallback
from ezcold_operators.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_fallback() -> Iterator[None]:
    set_fallback(None)
    yield
    set_fallback(None)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "imap://a%40b.fr:p%2F%3A%40s%C3%A9@imap.b.fr:993/",
            ("imap", "imap.b.fr", 993, "a@b.fr", "p/:@sé", "", {}),
        ),
        ("imap://h", ("imap", "h", None, "", "", "", {})),
        ("imap://u@h/INBOX%2FA", ("imap", "h", None, "u", "", "INBOX/A", {})),
        (
            "imap://h/?security=starttls&timeout=5&verify=true&note=",
            ("imap", "h", None, "", "", "", {"security": "starttls", "timeout": 5, "verify": True, "note": ""}),
        ),
        (
            "o365://x@/?" + urlencode({"__extra__": json.dumps({"tenant": "t", "n": {"a": [1]}})}),
            ("o365", "", None, "x", "", "", {"tenant": "t", "n": {"a": [1]}}),
        ),
        ("ezged://http://u:p@h:8080/x", ("ezged", "http://h", 8080, "u", "p", "x", {})),
        ("my-type://h", ("my_type", "h", None, "", "", "", {})),
        ("imap://%2Fvar%2FRun:5/", ("imap", "/var/Run", 5, "", "", "", {})),
    ],
)
def test_uris(uri: str, expected: tuple[object, ...]) -> None:
    found = parse_connection("c", uri)
    assert (
        found.conn_type,
        found.host,
        found.port,
        found.login,
        found.password,
        found.schema,
        dict(found.extra),
    ) == expected


@pytest.mark.parametrize("extra", [{"timeout": 5}, json.dumps({"timeout": 5})])
@pytest.mark.parametrize("port", [993, "993"])
def test_json(extra: object, port: object) -> None:
    text = json.dumps({"conn_type": "imap", "host": "h", "port": port, "login": "u", "password": "p", "extra": extra})
    assert parse_connection("c", f"  {text}\n") == Credentials("c", "h", 993, "u", "p", "", {"timeout": 5}, "imap")


def test_json_with_nothing_in_it() -> None:
    text = '{"conn_type": null, "host": null, "port": null, "extra": null}'
    assert parse_connection("c", text) == Credentials("c")


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(login=text, password=text, value=text, port=st.integers(1, 65535))
def test_whatever_is_quoted_comes_back(login: str, password: str, value: str, port: int) -> None:
    extra = urlencode({"__extra__": json.dumps({"k": value})})
    uri = f"imap://{quote(login, safe='')}:{quote(password, safe='')}@host.example:{port}/?{extra}"
    found = parse_connection("c", uri)
    assert (found.login, found.password, found.port, found.extra) == (login, password, port, {"k": value})


@pytest.mark.parametrize(
    "written",
    ["nothing", "imap://a://b://c", "a:b@c://h://x", "{", '{"port": "x"}', '{"extra": "[1]"}', "imap://h:port-s3cr3t/"],
)
def test_what_is_no_connection(written: str) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_C is neither a URI nor JSON") as caught:
        parse_connection("c", written)
    assert "s3cr3t" not in str(caught.value)


def test_the_environment_comes_first_then_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    set_fallback(lambda conn_id: Credentials(conn_id, host="fallback") if conn_id == "known" else None)
    assert resolve("known").host == "fallback"
    monkeypatch.setenv("AIRFLOW_CONN_KNOWN", "imap://env")
    assert resolve("known").host == "env"
    with pytest.raises(ConfigurationError) as caught:
        resolve("other")
    assert "AIRFLOW_CONN_OTHER" in str(caught.value)
    assert "airflow connections add other" in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"security": "ssl"}, "extra security: use one of tls, starttls, none"),
        ({"timeout": 0}, "extra timeout"),
        ({"timeout": "soon"}, "extra timeout"),
        ({"timeout": [1]}, "extra timeout"),
        ({"timeout": float("nan")}, "extra timeout"),
        ({"ca_file": "/none/ca.pem"}, "extra ca_file: there is no file /none/ca.pem"),
    ],
)
def test_wrong_extras(monkeypatch: pytest.MonkeyPatch, extra: dict[str, object], words: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"host": "h", "password": "s3cr3t", "extra": extra}))
    with pytest.raises(ConfigurationError) as caught:
        resolve("c")
    assert f"Connection c, {words}" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_extras_by_default_and_as_a_form_leaves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Credentials().security, Credentials().timeout, Credentials().ca_file) == ("tls", 30.0, None)
    empty = Credentials(extra={"security": None, "timeout": "", "ca_file": ""})
    assert (empty.security, empty.timeout, empty.ca_file) == ("tls", 30.0, None)
    assert Credentials(extra={"use_ssl": False}).security == "none"
    assert Credentials(extra={"use_ssl": False, "security": "starttls"}).security == "starttls"
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    monkeypatch.setenv("AIRFLOW_CONN_C", f"imap://h/?security=none&timeout=2.5&ca_file={quote(str(ca))}")
    found = resolve("c")
    assert (found.security, found.timeout, found.ca_file) == ("none", 2.5, str(ca))


def test_secrets_do_not_show() -> None:
    shown = repr(Credentials("c", "h", 1, "u", "s3cr3t", "", {"client_secret": "s3cr3t"}))
    assert "s3cr3t" not in shown
