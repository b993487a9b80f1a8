"""``beamwarden gc`` and ``beamwarden ets-delete``: what would be done, a question, and what was."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer
from pydantic import ValidationError

from agent.errors import AgentError
from collector.cleaning.models import (
    CleaningAnswer,
    CleaningProblem,
    CleaningState,
    CollectionRequest,
    DeletionRequest,
)
from collector.cleaning.runner import Cleaning, CleaningRefused, WrongKey
from collector.client import ClientError, Collector, Direct, ProblemAnswer
from collector.journal import Journal
from collector.journal_log import print_entry
from collector.journal_schema import JournalError
from collector.load import journal_path
from collector.render.cleaning import cleaning_facts
from collector.render.parts import printable
from collector.restart_commands import Exit
from collector.restarting import LocalOperator, operating_user
from collector.restarts.book import JournalUnwritable
from collector.settings import SettingsError
from collector.showing import finding, make_console, query_of

app = typer.Typer()

_Request = TypeVar("_Request", CollectionRequest, DeletionRequest)

_EXITS: Final = {
    CleaningState.PLANNED: Exit.UP,
    CleaningState.DONE: Exit.UP,
    CleaningState.ASKED: Exit.UP,
    CleaningState.NOT_DONE: Exit.REFUSED,
    CleaningState.UNKNOWN: Exit.UNKNOWN,
}
_EPILOG: Final = (
    "Ends with 0 when it is done or asked for (with --dry-run: when nothing stands against it), 1 without an answer, 2 "
    "when an option is wrong, 3 when it was refused, by a guard or by you, 5 when it is not known whether it was done."
)
Reason = Annotated[str, typer.Option("--reason", help="why, for the journal")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would be done")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON; asks nothing")]


@app.command("gc", epilog=_EPILOG)
@finding("journal")
def collect_garbage(  # as many as it has options
    source: Collector | Direct,
    process: Annotated[str, typer.Argument(help="0.123.0, <0.123.0> or a registered name")],
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Have one process collect its garbage, and its binaries."""
    request = query_of(CollectionRequest, process=process, reason=reason)
    _need_manner(dry_run=dry_run, yes=yes, json=json, reason=reason)
    _clean(source, "/garbage-collections", request, dry_run=dry_run, yes=yes, json=json)


@app.command("ets-delete", epilog=_EPILOG)
@finding("journal", "allow_ets_delete")
def delete_key(  # noqa: PLR0913  # as many as it has options
    source: Collector | Direct,
    table: Annotated[str, typer.Argument(help="its name, or its reference as in '#Ref<0.1.2.3>'")],
    key: Annotated[str, typer.Argument(help="""as Erlang prints it: 42, '<<"acme">>', '{a,"b"}'""")],
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Delete one key of a public ETS table, where that is allowed."""
    request = query_of(DeletionRequest, table=table, key=key, reason=reason)
    _need_manner(dry_run=dry_run, yes=yes, json=json, reason=reason)
    _clean(source, "/table-deletions", request, dry_run=dry_run, yes=yes, json=json)


def _need_manner(*, dry_run: bool, yes: bool, json: bool, reason: str) -> None:
    if json and not dry_run and not yes:
        raise SettingsError("--json asks nothing: add --yes to do it, or --dry-run to see what would be done")
    if yes and not dry_run and not reason.strip():
        raise SettingsError("--yes: say why with --reason, for whoever reads the journal")


def _clean(source: Collector | Direct, path: str, request: _Request, *, dry_run: bool, yes: bool, json: bool) -> None:
    ask: Callable[[_Request], CleaningAnswer] = (
        (lambda wanted: _ask_collector(source, path, wanted))
        if isinstance(source, Collector)
        else (lambda wanted: _ask_node(source, wanted))
    )
    if dry_run or not yes:
        answer = ask(request.model_copy(update={"dry_run": True}))
        _show(answer, is_json=json)
        if dry_run or not answer.allowed:
            sys.exit(Exit.UP if answer.allowed else Exit.REFUSED)
        request = _question(request)
    try:
        answer = ask(request)
    except CleaningRefused as refused:
        _show(refused.answer, is_json=json)
        sys.exit(Exit.REFUSED)
    _show(answer, is_json=json)
    sys.exit(_EXITS[answer.state])


def _ask_collector(collector: Collector, path: str, request: _Request) -> CleaningAnswer:
    try:
        return collector.post(path, request, CleaningAnswer)
    except ProblemAnswer as problem:
        try:
            refused = CleaningProblem.model_validate_json(problem.content)
        except ValidationError:  # it is another problem
            raise problem from None
        sys.stderr.write(f"beamwarden: {printable(refused.detail)}\n")
        sys.exit(Exit.REFUSED)


def _ask_node(direct: Direct, request: _Request) -> CleaningAnswer:
    async def ask() -> CleaningAnswer:
        operator = LocalOperator(direct)
        async with Journal(journal_path(direct.settings, os.environ), print_entry) as journal:
            cleaning = Cleaning(operator, journal, may_delete=direct.settings.allow_ets_delete)
            try:
                return await _do(cleaning, request)
            finally:
                await operator.close()

    try:
        return asyncio.run(ask())
    except WrongKey as error:
        raise SettingsError(str(error)) from None
    except JournalUnwritable as error:
        raise ClientError(f"no action runs that cannot be written down: {error}") from None
    except (AgentError, JournalError) as error:
        raise ClientError(str(error)) from None


def _do(cleaning: Cleaning, request: CollectionRequest | DeletionRequest) -> Awaitable[CleaningAnswer]:
    if isinstance(request, CollectionRequest):
        return cleaning.collect_garbage(request, operating_user())
    return cleaning.delete_key(request, operating_user())


def _question(request: _Request) -> _Request:
    """Ask whether to do it, and why. Ends the program when the person says no."""
    if not sys.stdin.isatty():
        raise SettingsError("nobody can be asked here: add --yes and --reason, or --dry-run")
    console = make_console()
    try:
        if not typer.confirm("\nDo it?", default=False):
            console.print("Nothing was done.")
            sys.exit(Exit.REFUSED)
        reason = request.reason
        while not reason.strip():
            reason = typer.prompt("Why (for the journal)")
    except typer.Abort:
        console.print("\nNothing was done.")
        sys.exit(Exit.REFUSED)
    return query_of(type(request), **request.model_dump() | {"reason": reason})


def _show(answer: CleaningAnswer, *, is_json: bool) -> None:
    if is_json:
        print(answer.model_dump_json(indent=2), flush=True)  # noqa: T201  # the answer is what was asked for
    else:
        make_console().print(cleaning_facts(answer))
