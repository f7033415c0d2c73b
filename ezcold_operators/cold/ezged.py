"""Into EzGED by HTTP: one session for a dispatch, each document uploaded into the scenario's waiting directory.

An upload has no idempotency key. From the moment the last piece of a file was handed to the network until the answer is
read, nobody knows whether EzGED has it: Ambiguous. The final name is ours and holds the delivery's token, and an upload
that is tried again has the same name.
    on_ambiguous: retry   sent again under the same name; never lost, perhaps twice under one name
    on_ambiguous: hold    not sent again; a person decides
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ezcold_operators.cold.base import Delivered, Outgoing, Prepared
from ezcold_operators.cold.ezged_session import BEAT_SECONDS, WAITS, Session
from ezcold_operators.cold.ezged_settings import Settings, settings
from ezcold_operators.cold.ezged_upload import Upload, is_there, job_of, judge, lost
from ezcold_operators.cold.ezged_wire import Answer
from ezcold_operators.cold.names import check_template, final_name, new_token
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.scenario import Scenario, is_plain
from ezcold_operators.errors import (
    Ambiguous,
    ConfigurationError,
    EzcoldError,
    ItemFailed,
    Rejected,
    ScenarioUnavailable,
)
from ezcold_operators.i18n import _
from ezcold_operators.steps import step


def create(scenario: Scenario) -> EzgedDriver:
    """:raises ConfigurationError: no waiting directory, or one that is no plain name."""
    return EzgedDriver(scenario)


class EzgedDriver:
    """The waiting directory of one scenario, behind EzGED's web service."""

    waits: Sequence[float] = WAITS
    beat = BEAT_SECONDS

    def __init__(self, scenario: Scenario) -> None:
        if not scenario.waitdir or not is_plain(scenario.waitdir):
            raise ConfigurationError(
                _("scenario {id}: `waitdir` is the plain name of a waiting directory, without / \\ : or ..").format(
                    id=scenario.id
                )
            )
        check_template(scenario.name)
        self.scenario = scenario

    def __repr__(self) -> str:
        return f"EzgedDriver({self.scenario.waitdir!r})"

    @contextmanager
    def open(self, credentials: Credentials | None) -> Iterator[EzgedEntrance]:
        """Log in; logged out at the end, whatever happens."""
        with Session(settings(credentials), waits=self.waits, beat=self.beat) as session:
            yield EzgedEntrance(self.scenario, session)

    def probe(self, credentials: Credentials | None) -> Iterable[str]:
        """:raises ScenarioUnavailable: :raises AuthenticationFailed: :raises ConfigurationError: as `open`."""
        with Session(settings(credentials), waits=self.waits[:1], beat=self.beat) as session:
            host, login = session.settings.host, session.settings.login
        yield _("EzGED at {host} lets {login} in and out; files go to its waiting directory {waitdir}").format(
            host=host, login=login, waitdir=self.scenario.waitdir
        )


class EzgedEntrance:
    """A session at EzGED, and the scenario's waiting directory."""

    at_once = 1
    """Deliveries that may be in `sending` together: a crash leaves no more than this to doubt."""

    def __init__(self, scenario: Scenario, session: Session) -> None:
        self._scenario, self._session = scenario, session

    def prepare(self, batch: Sequence[Outgoing]) -> Iterator[Prepared | tuple[Outgoing, EzcoldError]]:
        """Give each its token and name; no file is touched, nothing is sent."""
        scenario = self._scenario
        fields = {"scenario": scenario.id, "number": scenario.number}
        for outgoing in batch:
            try:
                whole = outgoing.file.stat().st_size == outgoing.size
            except OSError:
                whole = False
            if not whole:
                yield outgoing, lost(outgoing)
                continue
            token = new_token()
            name = final_name(scenario.name, outgoing, token, fields)
            yield Prepared(outgoing.delivery_id, token, "", f"{scenario.waitdir}/{name}")

    def deliver(self, batch: Sequence[tuple[Prepared, Outgoing]]) -> Iterator[Delivered]:
        """Upload each; what is wrong with EzGED itself stops the rest, which was then certainly not sent."""
        trouble: EzcoldError | None = None
        for prepared, outgoing in batch:
            if trouble is not None:
                yield Delivered(prepared, error=trouble)
                continue
            answer = self._deliver(prepared, outgoing)
            if answer.error is not None and not isinstance(answer.error, ItemFailed | Ambiguous):
                trouble = answer.error
            yield answer

    def _deliver(self, prepared: Prepared, outgoing: Outgoing) -> Delivered:
        try:
            return Delivered(prepared, receipt=self._upload(prepared, outgoing))
        except EzcoldError as exc:
            return Delivered(prepared, error=exc)

    def recover(self, prepared: Prepared, outgoing: Outgoing) -> Delivered:
        """retry: upload again under the same name, and take "it is there already" for an answer; hold: ask."""
        if self._scenario.on_ambiguous == "hold":
            waitdir, _slash, name = prepared.final.rpartition("/")
            return Delivered(
                prepared,
                error=Ambiguous(
                    _(
                        "{name} ({size} bytes, sha256 {sha256}) was perhaps sent to EzGED's waiting directory "
                        "{waitdir} and its answer was lost: look for it in EzGED, then dismiss it here if it is there, "
                        "or send it again if it is not"
                    ).format(name=name, size=outgoing.size, sha256=outgoing.sha256[:16], waitdir=waitdir)
                ),
            )
        answer = self._deliver(prepared, outgoing)
        said = str(answer.error).replace(prepared.final.rpartition("/")[2], "")  # "duplicata.pdf" says nothing
        if isinstance(answer.error, Rejected) and is_there(said):
            return Delivered(prepared, receipt=prepared.final)
        return answer

    def discard(self, prepared: Prepared) -> None:
        """There is no part."""

    def _upload(self, prepared: Prepared, outgoing: Outgoing) -> str:
        """The receipt.

        :raises Rejected: :raises Ambiguous: :raises ScenarioUnavailable: :raises AuthenticationFailed:
        :raises ConfigurationError: :raises StageUnavailable: our own copy is not what was fetched.
        """
        waitdir, _slash, name = prepared.final.rpartition("/")
        if not is_plain(waitdir) or not is_plain(name):
            raise Rejected(_("{final} is no name that may be sent to EzGED").format(final=prepared.final))
        body: Upload | None = None

        def request(session_id: str) -> Answer:
            nonlocal body
            body = Upload(outgoing, name)
            params = {"sessionid": session_id, "token": self._settings.token, "name": name, "mode": "cold",
                      "waitdir": waitdir}  # fmt: skip
            with step("ezged.upload"):
                return self._session.wire.call("POST", "pupload.php", params, content=body, headers=body.headers)

        try:
            answer = self._session.call(request)
        except ScenarioUnavailable as exc:
            if body is not None and body.handed_over:
                raise self._ambiguous(name, waitdir, str(exc)) from None
            raise
        error = judge(answer, self._session.wire.clean(answer.text), self._settings, waitdir, name)
        if isinstance(error, Ambiguous):
            raise self._ambiguous(name, waitdir, str(error))
        if error is not None:
            raise error
        return self._receipt(answer, prepared.final)

    @property
    def _settings(self) -> Settings:
        return self._session.settings

    def _ambiguous(self, name: str, waitdir: str, why: str) -> Ambiguous:
        return Ambiguous(
            _("nobody knows whether {name} reached EzGED's waiting directory {waitdir}: {why}").format(
                name=name, waitdir=waitdir, why=why
            )
        )

    def _receipt(self, answer: Answer, final: str) -> str:
        path = (answer.data or {}).get("filePath")
        receipt = self._session.wire.clean(str(path))[:500] if isinstance(path, str) and path else final
        job = job_of(answer)
        if not job or not self._settings.check_jobs:
            return receipt
        params = {"service": "jobqueue/load", "jobqueueid": job}
        try:
            state = self._session.call(
                lambda session_id: self._session.wire.call("GET", "service.php", {**params, "sessionid": session_id})
            )
        except EzcoldError:  # the file is in; only how it fares is not known
            return f"{receipt} (job {job})"
        return f"{receipt} (job {job}: {_status(state)})"


def _status(answer: Answer) -> str:
    """jobqueue/load, JOBQUEUE_STATUS: 4 is tried again by EzGED itself, 5 waits for a person there."""
    known = {"0": "pending", "1": "queued", "2": "done", "3": "done", "4": "error", "5": "held"}
    return known.get(str(answer.row().get("JOBQUEUE_STATUS", "")), "unknown")
