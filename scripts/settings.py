"""Writes docs/settings.md anew from collector.settings: .venv/bin/python -m scripts.settings

A test compares, so nothing in that page is edited by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from collector.load import TABLES, flag_of, variable_of
from collector.setting_words import GROUPS, choices_of, default_of, meaning_of
from collector.settings import Settings
from scripts.cli import all_flags

PAGE: Final = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD: Final = """\
<!-- Made by `.venv/bin/python -m scripts.settings` from collector/settings.py and what it is made of. -->

# Settings

Each is a flag of the command line, a variable, and a line of a TOML file. The flag wins over the variable, the variable
over the file. The file is `beamwarden.toml` in the current folder, or where `--config` or `BEAMWARDEN_CONFIG` says.

```toml
node = ["tai_autonomics@127.0.0.1"]
expected_supervisors = ["tai_autonomics_sup", "governance_sup"]
listen = "127.0.0.1:9750"

[tls]
ca_file = "/secrets/cluster-ca.pem"

[diagnosis]
error_share_high = 0.02
```

- Lists are arrays in the file, and elsewhere separated by commas; `--node` may be repeated.
- What is on or off is `true` or `false` in the file and in a variable. Its flag takes no value.
- All mistakes are told at once, each with its place and what should stand there.
- Neither the cookie nor your token or password has a place in the file or on the command line. The cookie comes from
  `cookie_file`, `BEAMWARDEN_COOKIE` or `~/.erlang.cookie`, your token from `token_file` or `BEAMWARDEN_TOKEN`, and
  `user:password` from `basic_auth_file` or `BEAMWARDEN_BASIC_AUTH`. Files with secrets want `chmod 600`; a read-only
  mount is taken as it is.
- A collector reads its settings when it starts, and tokens and its web configuration whenever their files change.
"""

# What a reader of a group needs to know besides what each of its settings is.
INTRODUCTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Nodes": "Without `own_name` each node gives us a name, the same ones again and again, sparing its atom table. "
        "Where `ERL_EPMD_PORT` is set, it is the default of `epmd_port`.",
        "TLS distribution": "For nodes with `-proto_dist inet_tls`. A certificate of ours is only needed where they "
        "want one (`verify_peer`).",
        "What is looked at": "The tables' names are those of TAI Erlang Autonomics and of its playbook.",
        "HTTP, and who may what": "From elsewhere than the collector's own machine reading needs a token, and acting "
        "always does: [who may what](../README.md#who-may-what), and [what that is safe against]"
        "(security.md#who-can-reach-the-http-port). `web_config_file` is that of [Prometheus and its exporters]"
        "(prometheus.md#tls-and-passwords); its flag is also spelled `--web.config.file`.",
        "Beside the service": "A sidecar must not take its instance down: [deploy.md](deploy.md#beside-the-service).",
        "Metrics": "What there is, by which names, and which probes can be left out: [metrics.md](metrics.md).",
        "What it may cost": "Who gets an answer how fresh: [README](../README.md#how-fresh-and-at-what-cost).",
        "Acting, and the journal": "What may be restarted, and what stands against it: "
        "[restarting.md](restarting.md). What the journal is: [README](../README.md#the-journal).",
        "The service": "What runs on the node, for [a diagnosis](diagnosing.md) and for the "
        "[commands that a person runs](playbooks.md). Google's managed Prometheus is "
        "`https://monitoring.googleapis.com/v1/projects/PROJECT_ID/location/global/prometheus`.",
        "Log and last hour": "On Cloud Run the log is what survives an instance. `json` has Cloud Logging's fields.",
        "Black box": "What is known of a node when it comes near its end, a few lines in an hour at the most: "
        "[blackbox.md](blackbox.md).",
        "Command line": "How the commands find a collector, and who they are to it. A token or a password is sent only "
        "over https, or on this machine.",
        "Diagnosis": "From which figures on [a diagnosis](diagnosing.md) calls something ill. Who sets one sets it for "
        "good: these have no flags.",
    }
)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts += [f"## {title}", "", INTRODUCTIONS[title], "", *_table(names), ""]
    return "\n".join(parts)


def _table(names: tuple[str, ...]) -> Iterator[str]:
    yield "| setting | default | what it should be |"
    yield "|---|---|---|"
    flags = all_flags()
    for name in names:
        spelled = [_in_the_file(name), variable_of(name), *([flag_of(name)] if flag_of(name) in flags else [])]
        if Settings.model_fields[name].default is True:
            spelled[-1] = spelled[-1].replace("--", "--no-", 1)
        yield f"| {'<br>'.join(f'`{one}`' for one in spelled)} | {_default(name)} | {_cell(_meaning(name))} |"


def _in_the_file(name: str) -> str:
    table, _, inner = name.partition("_")
    return f"[{table}] {inner}" if table in TABLES else name


def _default(name: str) -> str:
    """Return the default as a cell; values as what one would write, words as words."""
    told = default_of(name)
    value = Settings.model_fields[name].default
    if value is None or value == ():
        return _cell(told)
    return ", ".join(f"`{_cell(one)}`" for one in (value if isinstance(value, tuple) else (told,)))


def _meaning(name: str) -> str:
    choices = choices_of(name)
    more = f". There are {', '.join(f'`{one}`' for one in choices)}" if "…" in meaning_of(name) and choices else ""
    return meaning_of(name) + more


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
