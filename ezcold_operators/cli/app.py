"""The commands, their arguments and exit codes (docs, launcher contract). Heavy imports stay inside the commands."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ezcold_operators import log
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, EzcoldError, Unavailable
from ezcold_operators.i18n import _

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help=_("EzGED COLD launchers: check, try out, run, and ask what became of a document."),
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help=_("JSON alone on stdout; messages go to stderr"))]
File = Annotated[Path, typer.Argument(help=_("a launcher's YAML file"))]


def exit_code(error: EzcoldError) -> int:
    """2 configuration, 3 unavailable or refused, 1 anything else."""
    if isinstance(error, ConfigurationError):
        return 2
    return 3 if isinstance(error, Unavailable | AuthenticationFailed) else 1


def run() -> None:
    """Run the command line; errors of ours are a sentence, not a traceback."""
    log.quiet()
    for stream in (sys.stdout, sys.stderr):  # names come from strangers: one that cannot be shown is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
    except EzcoldError as exc:
        print(exc, file=sys.stderr)
        code = exit_code(exc)
    except typer._click.exceptions.ClickException as exc:
        exc.show()
        code = 2
    except typer.Abort:
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


@app.command(help=_("Validate launchers and scenarios. Every error with file:line, overlaps between launchers."))
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help=_("files or folders; default: the launchers folder"))
    ] = None,
) -> int:
    from ezcold_operators.cli import check as command

    return command.check(paths or [])


@app.command(help=_("Dry run on the real source, which is left as it is. What would be sent where, or why not."))
def plan(file: File, as_json: AsJson = False) -> int:
    from ezcold_operators.cli import plan as command

    return command.plan(file, as_json)


@app.command("run", help=_("The whole river once: fetch, decode, filter, dispatch, settle."))
def run_once(file: File, as_json: AsJson = False) -> int:
    from ezcold_operators.cli import run as command

    return command.run(file, as_json)


@app.command(help=_("What is found in mails, archives and envelopes. Also in .msg files and winmail.dat."))
def decode(files: Annotated[list[Path], typer.Argument(help=_("files to look into"))], as_json: AsJson = False) -> int:
    from ezcold_operators.cli import decode as command

    return command.decode(files, as_json)


@app.command(help=_("Connect to the source and to every scenario. One sentence each."))
def test(file: File) -> int:
    from ezcold_operators.cli import probe as command

    return command.test(file)


@app.command(help=_("Everything known of an item or document. By name, subject, sender or sha256."))
def why(text: Annotated[str, typer.Argument(help=_("part of a name, subject, sender; or a sha256"))],
        as_json: AsJson = False) -> int:  # fmt: skip
    from ezcold_operators.cli import why as command

    return command.why(text, as_json)


quarantine = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(quarantine, name="quarantine", help=_("What waits for a person: see it, replay it, dismiss it."))
Items = Annotated[list[int] | None, typer.Argument(metavar="[ITEM]...", help=_("ids of items"))]
OfLauncher = Annotated[str | None, typer.Option("--launcher", metavar="ID", help=_("of this launcher"))]
All = Annotated[bool, typer.Option("--all", help=_("all of it"))]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=_("why, for the record"))]


@quarantine.command("list", help=_("Items in quarantine with their reasons. Launchers without a file that still owe."))
def quarantine_list(launcher: OfLauncher = None, as_json: AsJson = False) -> int:
    from ezcold_operators.cli import quarantine as command

    return command.show(launcher, as_json)


@quarantine.command("replay", help=_("Take items out of quarantine. The next run reads, decodes, judges, sends again."))
def quarantine_replay(items: Items = None, launcher: OfLauncher = None, everything: All = False,
                      as_json: AsJson = False) -> int:  # fmt: skip
    from ezcold_operators.cli import quarantine as command

    return command.replay(items or [], launcher, everything, as_json)


@quarantine.command("dismiss", help=_("Give items up. Never sent, left at their source as they are, settled here."))
def quarantine_dismiss(
    items: Items = None, launcher: OfLauncher = None, everything: All = False,
    owed: Annotated[bool, typer.Option("--owed", help=_("also what is still owed"))] = False,
    reason: Reason = "", as_json: AsJson = False,
) -> int:  # fmt: skip
    from ezcold_operators.cli import quarantine as command

    return command.dismiss(items or [], launcher, everything, owed, reason, as_json)


@app.command(help=_("Send a document once more, or to a scenario that never had it."))
def resend(
    what: Annotated[str, typer.Argument(metavar="ITEM|dDOCUMENT", help=_("12: item 12; d12: document 12 (see why)"))],
    to: Annotated[str, typer.Option("--to", metavar="SCENARIO", help=_("id of scenarios.yaml"))],
    reason: Reason = "", as_json: AsJson = False,
) -> int:  # fmt: skip
    from ezcold_operators.cli import resend as command

    return command.resend(what, to, reason, as_json)


@app.command(help=_("Create the backfill of a legacy archive. Lists what no interval covers; run again, the progress."))
def reprise(
    file: File,
    start: Annotated[str, typer.Argument(metavar="FROM", help=_("first day, YYYY-MM-DD, in the launcher's timezone"))],
    end: Annotated[str, typer.Argument(metavar="TO", help=_("last day, YYYY-MM-DD, included"))],
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("only look: done, left, uncovered"))] = False,
    again: Annotated[bool, typer.Option("--again", help=_("also intervals that ran already"))] = False,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, help=_("runs at once; default 2, or 1 with limits.per_minute"))
    ] = None,
    as_json: AsJson = False,
) -> int:
    from ezcold_operators.cli import reprise as command

    return command.reprise(file, start, end, dry_run=dry_run, again=again, parallel=parallel, as_json=as_json)


@app.command(help=_("How every launcher stands, and the disk. What is owed or quarantined, and since when."))
def status(as_json: AsJson = False) -> int:
    from ezcold_operators.cli import status as command

    return command.status(as_json)


@app.command(help=_("Copy documents out of the stage or the backup into a folder."))
def export(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help=_("where to; made if absent"))],
    what: Annotated[str | None, typer.Argument(metavar="[ITEM|TEXT]", help=_("an item's id, or as for why"))] = None,
    day: Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help=_("what was taken on it"))] = None,
    launcher: OfLauncher = None,
    timezone: Annotated[str, typer.Option("--timezone", help=_("of the day"))] = "Europe/Paris",
    as_json: AsJson = False,
) -> int:
    from ezcold_operators.cli import export as command

    return command.export(what, day, launcher, timezone, to, as_json)


@app.command(help=_("Forget the events of items settled long ago. What identity needs stays."))
def prune(
    older_than: Annotated[str, typer.Option("--older-than", metavar="400d", help=_("days d, weeks w, years y"))],
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("only count"))] = False,
    as_json: AsJson = False,
) -> int:
    from ezcold_operators.cli import status as command

    return command.prune(older_than, dry_run, as_json)


ToFolder = Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help=_("default: the launchers folder"))]


@app.command(help=_("Write a launcher by the questions of EzGED's form. The answers may come as options, too."))
def new(
    title: Annotated[str | None, typer.Option("--title", help=_("name, as people call it"))] = None,
    launcher: Annotated[str | None, typer.Option("--id", help=_("id; default made of the name"))] = None,
    description: Annotated[str | None, typer.Option("--description", help=_("free text"))] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="imap, o365, pop, folder, adullact")] = None,
    connection: Annotated[str | None, typer.Option("--connection", help=_("id of the Connection in Airflow"))] = None,
    path: Annotated[str | None, typer.Option("--path", help=_("mail folder, or directory with a pattern"))] = None,
    subfolders: Annotated[bool | None, typer.Option("--subfolders/--no-subfolders", help=_("below its path"))] = None,
    after: Annotated[str | None, typer.Option("--after", help="keep, mark, move:<...>, delete")] = None,
    backup: Annotated[int | None, typer.Option("--backup-days", min=0, help=_("0: no backup"))] = None,
    filters: Annotated[list[str] | None, typer.Option("--filter", help=_("several: give it again"))] = None,
    routes: Annotated[list[str] | None, typer.Option("--route", help="pdf,xml=SCENARIO,SCENARIO")] = None,
    schedule: Annotated[str | None, typer.Option("--schedule", help=_("cron; empty: by hand"))] = None,
    folder: ToFolder = None,
    no_input: Annotated[bool, typer.Option("--no-input", help=_("ask nothing"))] = False,
) -> int:  # fmt: skip
    from ezcold_operators.cli import new as command

    answers = command.Answers(
        title, launcher, description, protocol, connection, path, subfolders, after, backup, filters, routes, schedule
    )
    return command.new(answers, folder, False if no_input else None)


@app.command("import", help=_("EzGED's launchers out of a CSV or JSON list. Says what cannot be carried over."))
def imports(
    listing: Annotated[Path, typer.Argument(metavar="LIST", help=_("columns are the form's words"))],
    folder: ToFolder = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    from ezcold_operators.cli import imports as command

    return command.imports(listing, folder, as_json)


@app.command(help=_("Sign in to Microsoft 365 for a launcher. With a code to type on a page."))
def login(file: File) -> int:
    from ezcold_operators.cli import login as command

    return command.login(file)


@app.command(help=_("JSON Schema of a launcher, for editors."))
def schema() -> int:
    import json

    from ezcold_operators.config import schema as schemas

    print(json.dumps(schemas.launcher_schema(), ensure_ascii=False, indent=2))
    return 0
