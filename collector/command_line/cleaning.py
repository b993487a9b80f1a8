"""``beamwarden gc`` and ``beamwarden ets-delete``: what would be done, a question, and what was."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, NoReturn, TypeVar

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
from collector.command_line.client import ClientError, Collector, Direct, NotHeard, ProblemAnswer
from collector.command_line.consent import AsJson, DryRun, Exit, Reason, Yes, ask_consent, check_consent, print_json
from collector.command_line.showing import finding, make_console, query_of
from collector.journal.journal import Journal
from collector.journal.log import print_entry
from collector.journal.schema import JournalError
from collector.load import journal_path
from collector.render.cleaning import cleaning_facts
from collector.render.parts import printable
from collector.restarting import LocalOperator, RefusedWithoutPlan, operating_user
from collector.restarts.book import JournalUnwritable
from collector.settings import SettingsError

app = typer.Typer()

_Request = TypeVar("_Request", CollectionRequest, DeletionRequest)

_EXITS: Final = {
    CleaningState.PLANNED: Exit.DONE,
    CleaningState.DONE: Exit.DONE,
    CleaningState.ASKED: Exit.DONE,
    CleaningState.NOT_DONE: Exit.REFUSED,
    CleaningState.UNKNOWN: Exit.UNKNOWN,
}
_EPILOG: Final = (
    "Ends with 0 when it is done or asked for (with --dry-run: when nothing stands against it), 1 without an answer, 2 "
    "when an option is wrong, 3 when it was refused, by a guard or by you, 5 when it is not known whether it was done."
)


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
    request = query_of(CollectionRequest, process=process, reason=reason, dry_run=dry_run)
    _clean(source, "/garbage-collections", request, yes=yes, json=json)


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
    request = query_of(DeletionRequest, table=table, key=key, reason=reason, dry_run=dry_run)
    _clean(source, "/table-deletions", request, yes=yes, json=json)


class _RefusedThere(Exception):
    """A collector's guards refuse it."""

    def __init__(self, problem: CleaningProblem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def _clean(source: Collector | Direct, path: str, request: _Request, *, yes: bool, json: bool) -> NoReturn:
    """Show what would be done, ask, do it, and show what was; then end the program."""
    check_consent(dry_run=request.dry_run, yes=yes, json=json, reason=request.reason)
    ask: Callable[[_Request], CleaningAnswer] = (
        (lambda wanted: _ask_collector(source, path, wanted))
        if isinstance(source, Collector)
        else (lambda wanted: _ask_node(source, wanted))
    )
    try:
        if request.dry_run or not yes:
            planned = ask(request.model_copy(update={"dry_run": True}))
            _show(planned, is_json=json)
            if request.dry_run or not planned.allowed:
                sys.exit(Exit.DONE if planned.allowed else Exit.REFUSED)
            request = _as_shown(ask_consent(make_console(), request), planned)
        sys.exit(_do(ask, request, is_json=json))
    except RefusedWithoutPlan as refused:
        _say(str(refused))
        sys.exit(Exit.REFUSED)


def _as_shown(request: _Request, planned: CleaningAnswer) -> _Request:
    """Ask for no more than what the person has seen."""
    if planned.key is None:
        return request
    return request.model_copy(update={"max_rows": planned.key.objects})


def _do(ask: Callable[[_Request], CleaningAnswer], request: _Request, *, is_json: bool) -> Exit:
    try:
        answer = ask(request)
    except CleaningRefused as refused:
        _show(refused.answer, is_json=is_json)
        return Exit.REFUSED
    except _RefusedThere as refused:
        print_json(refused.problem) if is_json else _say(refused.problem.detail)
        return Exit.REFUSED
    except NotHeard as lost:
        _say(f"whether it was done is not known: {lost}. `beamwarden audit` says it when it is known")
        return Exit.UNKNOWN
    except KeyboardInterrupt:
        _say("not waiting any more. Whether it was done is not known; `beamwarden audit` says it when it is known")
        return Exit.UNKNOWN
    _show(answer, is_json=is_json)
    return _EXITS[answer.state]


def _ask_collector(collector: Collector, path: str, request: _Request) -> CleaningAnswer:
    try:
        return collector.post(path, request, CleaningAnswer)
    except ProblemAnswer as problem:
        try:
            raise _RefusedThere(CleaningProblem.model_validate_json(problem.content)) from None
        except ValidationError:  # it is another problem
            raise (RefusedWithoutPlan(str(problem)) if problem.is_refusal else problem) from None


def _ask_node(direct: Direct, request: _Request) -> CleaningAnswer:
    async def ask() -> CleaningAnswer:
        operator = LocalOperator(direct)
        async with Journal(journal_path(direct.settings, os.environ), print_entry) as journal:
            cleaning = Cleaning(operator, journal, may_delete=direct.settings.allow_ets_delete)
            try:
                if journal.trouble is None:
                    await cleaning.close_open_intents()  # of a command line before this one, which was ended
                return await _begin(cleaning, request)
            finally:
                await operator.close()

    try:
        return asyncio.run(ask())
    except WrongKey as error:
        raise SettingsError(str(error)) from None
    except JournalUnwritable as error:
        raise RefusedWithoutPlan(f"no action runs that cannot be written down: {error}") from None
    except (AgentError, JournalError) as error:
        raise ClientError(str(error)) from None


def _begin(cleaning: Cleaning, request: CollectionRequest | DeletionRequest) -> Awaitable[CleaningAnswer]:
    if isinstance(request, CollectionRequest):
        return cleaning.collect_garbage(request, operating_user())
    return cleaning.delete_key(request, operating_user())


def _show(answer: CleaningAnswer, *, is_json: bool) -> None:
    print_json(answer) if is_json else make_console().print(cleaning_facts(answer))


def _say(text: str) -> None:
    sys.stderr.write(f"beamwarden: {printable(text)}\n")
