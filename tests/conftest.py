"""What tests of several folders need: where the project lies, and JavaScript without a browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def node():
    """Run an ES module's source in Node and return what it printed as JSON.

    Playwright's package carries a Node of its own, so a machine needs none.
    """
    from playwright._impl._driver import compute_driver_executable

    executable = compute_driver_executable()[0]

    def run(source: str):
        done = subprocess.run(
            [executable, "--input-type=module", "-"], input=source, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
