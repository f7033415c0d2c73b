"""Debian's Samba and OpenSSH start, serve and stop."""

from __future__ import annotations

import pytest

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
