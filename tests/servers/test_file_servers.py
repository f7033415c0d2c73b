"""Debian's Samba and OpenSSH start, serve and stop."""

from __future__ import annotations

import subprocess

import pytest

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filesystems.opening import open_tree


@pytest.mark.sshd
def test_sshd_serves() -> None:
    from tests.servers.sshd import Sshd

    with Sshd() as server:
        for _again in range(2):
            tree = open_tree(server.url(server.run), server.credentials())
            assert tree.stat("authorized_keys").kind == "file"
            tree.close()
            server.kill()
            server.start()


@pytest.mark.samba
def test_samba_serves() -> None:
    from tests.servers.samba import Samba

    with Samba() as server:
        (server.share / "a").write_text("x")
        for _again in range(2):
            tree = open_tree(server.url(server.share / "."), server.credentials())
            assert tree.stat("a").size == 1
            tree.close()
            server.kill()
            server.start()


@pytest.mark.sshd
def test_a_server_of_old_says_what_to_do() -> None:
    from tests.servers.sshd import Sshd

    with Sshd("KexAlgorithms diffie-hellman-group14-sha1\n") as server:
        with pytest.raises(ConfigurationError, match="paramiko<5"):
            open_tree(server.url(server.run), server.credentials())


@pytest.mark.sshd
def test_a_passphrase_and_a_key_file() -> None:
    from tests.servers.sshd import Sshd

    with Sshd() as server:
        key = server.run / "user_ed25519"
        command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key)]
        subprocess.run(command, check=True)
        more = {"private_key": "", "key_file": str(key), "private_key_passphrase": "open sesame"}
        open_tree(server.url(server.run), server.credentials(**more)).close()
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            open_tree(server.url(server.run), server.credentials(**more | {"private_key_passphrase": "sesame"}))
        assert "sesame" not in str(caught.value)


@pytest.mark.samba
def test_samba_encrypts_when_asked() -> None:
    from tests.servers.samba import Samba

    with Samba() as server:
        (server.share / "a").write_text("x")
        tree = open_tree(server.url(server.share / "."), server.credentials(encrypt=True))
        with tree.open("a") as file:
            assert file.read(10) == b"x"
        tree.close()
