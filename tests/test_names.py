"""What pytest asks of the names of test files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def test_test_files_have_names_of_their_own():
    """The folders are no packages: of two files with one name pytest would import the first and refuse the second."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
