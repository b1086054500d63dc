"""The README's examples run as they stand there."""

from __future__ import annotations

import re

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_python_examples_run(root, capsys, monkeypatch):
    monkeypatch.setenv("DMLKIT_BOOK", "1")  # no progress bar in the test's output
    blocks = BLOCK.findall((root / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) == 3
    names = [{} for _ in blocks]
    for block, own in zip(blocks, names, strict=True):
        exec(compile(block, "README.md", "exec"), own)
    assert "'R@1'" in capsys.readouterr().out
    assert names[1]["embeddings"].grad.isfinite().all()
    assert len(names[2]["birds"].train) == 24


def test_make_targets_named_in_the_readme_exist(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", (root / document).read_text(encoding="utf-8"), re.M):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{document} names make {target}"
