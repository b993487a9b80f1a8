"""``python -m collector`` is ``beamwarden``."""

from __future__ import annotations

from collector.cli import main

main()
