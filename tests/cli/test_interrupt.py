"""Ctrl-C, at moments at which the interpreter makes something else of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = """
import signal, sys, time, weakref
from ezcold_operators.cli.interrupt import told
class A: pass
def ctrl_c(*_): signal.raise_signal(signal.SIGINT)
with told():
"""
SENTENCE = "stopped; what was begun is finished by the next run\n"
MOMENTS = {
    "at any moment": "ctrl_c()",
    "in a callback, which cannot raise": "a = A(); r = weakref.ref(a, ctrl_c); del a; time.sleep(60)",
    "tidying up makes another error of it": """
    try:
        ctrl_c()
    finally:
        raise OSError(9, "Bad file descriptor")
    """,
    "in the machinery of imports, which keeps a lock then": """
    code = "signal.raise_signal(signal.SIGINT); sys.stderr.write('unlocked; ')"
    exec(compile(code, "<frozen importlib._bootstrap>", "exec"))
    time.sleep(60)
    """,
    "a command ends with another code": """
    try:
        ctrl_c()
    except KeyboardInterrupt:
        sys.exit(1)
    """,
}


def run(body: str) -> tuple[int, str]:
    script = HEAD + "    " + body.strip()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50,
                          env={"EZCOLD_LANG": "en", "PYTHONPATH": ":".join(sys.path)})  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_sentence(moment: str) -> None:
    said = "unlocked; " if "machinery" in moment else ""
    assert run(MOMENTS[moment]) == (130, said + SENTENCE)


def test_a_command_that_is_done_stays_done() -> None:
    code, said = run("try: ctrl_c()\n    except KeyboardInterrupt: sys.exit(0)")
    assert (code, said) == (0, "")


def test_who_wants_it_ignored_is_heard() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HEAD + "    ctrl_c()"
    assert (
        subprocess.run([sys.executable, "-c", script], timeout=50, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )
