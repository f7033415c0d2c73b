"""What every room is given: the river of one launcher in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ezcold_operators import sources
from ezcold_operators.config import credentials as connections
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.decoding.base import Kind, Limits, Options
from ezcold_operators.errors import ConfigurationError, EzcoldError
from ezcold_operators.i18n import _
from ezcold_operators.ledger import renames, troubles
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.sources.base import Source
from ezcold_operators.stage import Stage

Progress = Callable[[str, int, int | None], None]
"""(room, done, total or None)."""


def no_progress(room: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


def nothing() -> None:
    """What there is to do meanwhile, most of the time."""


class ItemsFailed(EzcoldError):
    """Items failed or were quarantined in this run; everything else was done. Raised last, by who runs the rooms."""


@dataclass(slots=True)
class River:
    """One launcher's documents on their way, in one run. Rooms share nothing but this."""

    ledger: Ledger
    stage: Stage
    launcher: Launcher
    scenarios: Mapping[str, Scenario]
    run_id: str
    settings: Settings
    credentials: Callable[[str], Credentials] = connections.resolve
    progress: Progress = no_progress
    meanwhile: Callable[[], None] = nothing
    """Called by the fetch room each time that more is staged: another room's turn."""
    errors: list[str] = field(default_factory=list)
    """One sentence for each cause met so far."""

    @classmethod
    @contextmanager
    def open(
        cls,
        launcher: Launcher,
        scenarios: Mapping[str, Scenario],
        settings: Settings,
        run_id: str,
        credentials: Callable[[str], Credentials] = connections.resolve,
        progress: Progress = no_progress,
    ) -> Iterator[River]:
        """Open ledger and stage, and carry over the past of a renamed launcher.

        :raises ConfigurationError: :raises LedgerUnavailable: :raises StageUnavailable:
        """
        stage = Stage(settings.home / "stage")
        with Ledger.open(ledger_url(settings, credentials)) as ledger:
            if launcher.formerly:
                renames.carry_over(ledger, run_id, launcher.launcher, launcher.formerly)
            yield cls(ledger, stage, launcher, scenarios, run_id, settings, credentials, progress)

    @property
    def id(self) -> str:
        return self.launcher.launcher

    def source(self) -> Source:
        """The launcher's source, with the account store of this ledger where its protocol keeps tokens."""
        return make_source(self.launcher, self.ledger, self.settings)

    def source_credentials(self) -> Credentials:
        """The source's Connection; an empty one where the protocol needs none.

        :raises ConfigurationError: there is no such Connection.
        """
        conn_id = self.launcher.source.connection
        return self.credentials(conn_id) if conn_id else Credentials()

    def failed(self, error: Exception | str) -> None:
        """Remember a cause, once."""
        if str(error) not in self.errors:
            self.errors.append(str(error))

    def unable(self, error: Exception) -> None:
        """Remember in the ledger, for people, why a room could not work. Raises nothing."""
        troubles.note(self.ledger, self.id, self.run_id, error)

    def backups(self) -> Path:
        """Where a person finds this launcher's backups, by date."""
        return self.settings.home / "backup" / self.id


def make_source(launcher: Launcher, ledger: Ledger, settings: Settings) -> Source:
    """A source that finds its tokens in this ledger; no I/O."""
    source = sources.create(launcher)
    bind = getattr(source, "bind", None)
    if bind is not None:
        from ezcold_operators.ledger.accounts import AccountStore

        bind(AccountStore(ledger, settings.fernet_key))
    return source


def ledger_url(settings: Settings, credentials: Callable[[str], Credentials]) -> str:
    """EZCOLD_LEDGER_URL, else the Connection `ezcold_ledger`, else SQLite in EZCOLD_HOME (launcher.md, Environment)."""
    if settings.ledger_url:
        return settings.ledger_url
    try:
        conn = credentials("ezcold_ledger")
    except ConfigurationError:
        return f"sqlite:///{(settings.home / 'ledger.db').absolute()}"
    from sqlalchemy.engine import URL

    return URL.create(
        "postgresql+psycopg", conn.login or None, conn.password or None, conn.host or None, conn.port,
        conn.schema or None,
    ).render_as_string(hide_password=False)  # fmt: skip


def decode_options(launcher: Launcher, name: str, keys: Keys | None = None) -> Options:
    """How this launcher wants an item decoded."""
    limits = launcher.limits
    kind: Kind = "mail" if launcher.is_mail else ("adullact" if launcher.source.protocol == "adullact" else "file")
    return Options(
        kind=kind,
        name=name.rsplit("/", 1)[-1],
        unpack=tuple(launcher.unpack),
        want_message="message" in launcher.take,
        want_body="body" in launcher.take,
        validate_xsd=launcher.validate_xsd,
        limits=Limits(limits.max_item_mb, limits.max_documents, limits.max_depth, limits.max_ratio),
        passwords=keys.passwords if keys else (),
        smime_key_pem=keys.smime_pem if keys else "",
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens encrypted mail and archives; never shown."""

    passwords: tuple[str, ...] = field(default=(), repr=False)
    smime_pem: str = field(default="", repr=False)


def decryption_keys(launcher: Launcher, credentials: Callable[[str], Credentials]) -> Keys:
    """The keys that the launcher's `decrypt` names.

    :raises ConfigurationError: no such Connection, or its key file cannot be read.
    """
    passwords: list[str] = []
    pem = ""
    if launcher.decrypt.archive:
        conn = credentials(launcher.decrypt.archive)
        more = conn.extra.get("passwords", [])
        passwords = [p for p in [conn.password, *(str(p) for p in more)] if p]
    if launcher.decrypt.smime:
        conn = credentials(launcher.decrypt.smime)
        pem = conn.password
        if conn.extra.get("key_file"):
            try:
                pem = Path(str(conn.extra["key_file"])).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                raise ConfigurationError(
                    _("the Connection {id}: its key_file cannot be read").format(id=conn.conn_id)
                ) from None
    return Keys(tuple(passwords), pem)
