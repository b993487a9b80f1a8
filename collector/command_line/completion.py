"""``beamwarden completion``: lets a shell complete commands, options and what can be chosen.

typer does it. Its own two options are not offered: they take the shell for the one that runs them, and write into its
start-up files, which a container's read-only disk has none of. The script asks this program again at every Tab, and
this program asks no collector and no node for that.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Annotated, Final, Literal

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete

PROGRAM: Final = "beamwarden"
VARIABLE: Final = "_BEAMWARDEN_COMPLETE"  # set by the script when a shell asks

# typer's script only defines the function; the first Tab after zsh has found it in fpath would do nothing.
_FIRST_TAB_OF_ZSH: Final = """
if [[ "$funcstack[1]" = _beamwarden ]]; then
  _beamwarden_completion
fi
"""

app = typer.Typer()


@app.command(
    "completion",
    epilog="For this shell alone: 'source <(beamwarden completion bash)', and so with zsh; in fish 'beamwarden "
    "completion fish | source'.",
)
def show_completion(
    context: typer.Context, shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="which shell")]
) -> None:
    """Print what a shell needs to complete commands and options.

    To have it in every shell, put what it prints where that shell looks:
    bash  ~/.local/share/bash-completion/completions/beamwarden
    zsh   _beamwarden, in a folder of its fpath
    fish  ~/.config/fish/completions/beamwarden.fish
    """
    know_shells()
    with contextlib.redirect_stdout(io.StringIO()) as script:
        shell_complete(context.find_root().command, {}, PROGRAM, VARIABLE, f"source_{shell}")
    # zsh finds a file in fpath by its first line, and typer's is empty.
    sys.stdout.write(script.getvalue().strip() + "\n" + (_FIRST_TAB_OF_ZSH if shell == "zsh" else ""))


def know_shells() -> None:
    """Let typer answer the shells that it knows."""
    get_completion_inspect_parameters()  # it does that on the way to its own two options
