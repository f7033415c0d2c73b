"""Every error that ezcold raises on purpose, and what is done about each.

    EzcoldError
    ├── ConfigurationError        a person must change a file or a Connection; fails at once          exit 2
    ├── Unavailable               cannot work now; retried with back-off, never counts as an attempt  exit 3
    │   ├── SourceUnavailable     mail server, folder, Graph: down, cut, busy
    │   │   └── Throttled         the server said when to come back (`retry_after`, seconds)
    │   ├── ScenarioUnavailable   waiting directory or EzGED: down, unmounted, full
    │   │   └── InDoubt           of one delivery nothing can be proved now: left as it is, the next one goes on
    │   ├── LedgerUnavailable     database locked or down
    │   └── StageUnavailable      our own disk: full, read-only
    ├── AuthenticationFailed      a login was refused; fails at once, never counts as an attempt      exit 3
    ├── ItemFailed                this one item or document is at fault; the next one goes on
    │   ├── Undecodable           its bytes cannot be read for certain: quarantine, raw bytes kept
    │   ├── ItemChanged           it changed while it was read: left for the next run, not a failure
    │   └── Rejected              the scenario refuses this file: counts as an attempt
    └── Ambiguous                 sent perhaps, the answer was lost: `on_ambiguous` decides

A message is one sentence that says what is wrong and what to do. It never holds a secret.
"""

from __future__ import annotations


class EzcoldError(Exception):
    """Root of the tree; `str()` is the sentence a person reads."""


class ConfigurationError(EzcoldError):
    """A launcher, a scenario or a Connection is wrong; carries `file:line` in its text where one is known."""


class Unavailable(EzcoldError):
    """Something outside cannot be reached now; trying again later is right."""


class SourceUnavailable(Unavailable):
    """The source does not answer, or broke off."""


class Throttled(SourceUnavailable):
    """The source asks us to wait.

    :param retry_after: seconds to wait before the next request.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ScenarioUnavailable(Unavailable):
    """The COLD scenario's entrance cannot be used now."""


class InDoubt(ScenarioUnavailable):
    """Whether one delivery went in cannot be seen until something comes back, or a person decides."""


class LedgerUnavailable(Unavailable):
    """The ledger's database is locked, down or unreachable."""


class StageUnavailable(Unavailable):
    """The stage's disk is full, read-only or gone."""


class AuthenticationFailed(EzcoldError):
    """A server refused our login; only a person can mend it."""


class ItemFailed(EzcoldError):
    """One item or document is at fault; its neighbours go on."""


class Undecodable(ItemFailed):
    """The item's bytes cannot be read for certain."""


class ItemChanged(ItemFailed):
    """The item changed between listing and the end of reading; it is taken next time."""


class Rejected(ItemFailed):
    """A scenario refuses this very file."""


class Ambiguous(EzcoldError):
    """The effect may or may not have happened: the answer was lost after the request went out."""
