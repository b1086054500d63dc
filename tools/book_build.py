"""What the book's build adds to Sphinx.

- Notebooks learn that they are built, so that explorers and figures print themselves for a static page.
- A changed helper runs every notebook again, which the execution cache alone does not see.
- Each page says how long its notebook ran.
- No page carries scripts that point to another host.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.config import Config

# Everything that a notebook's outputs depend on besides the notebook itself.
WATCHED = ("dmlkit/**/*.py", "dmlkit/**/*.js", "requirements.txt", "constraints.txt")


def fingerprint(root: Path) -> str:
    """One short name for the content of all watched files and the Python version."""
    digest = hashlib.sha256(platform.python_version().encode())
    for file in sorted({file for pattern in WATCHED for file in root.glob(pattern)}):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def prepare(app: Sphinx, config: Config) -> None:
    """Give the execution cache a folder named by the fingerprint.

    The cache compares notebooks only. A changed helper changes the folder, so every notebook misses the cache; and as
    a changed setting makes Sphinx read every page again, each is executed again. Outdated caches are removed.
    """
    caches = Path(app.outdir).parent / ".jupyter_cache"
    current = caches / fingerprint(Path(app.srcdir))
    for old in caches.glob("*"):
        if old.is_dir() and old != current:
            shutil.rmtree(old)
    config.nb_execution_cache_path = str(current)
    # The theme puts a second search field on top of every page unless told that nothing belongs there.
    config.html_theme_options.setdefault("navbar_persistent", [])


def say_how_long(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Under the title: how long the notebook ran, measured in this build or in the one that filled the cache."""
    run = NbMetadataCollector.get_exec_data(app.env, docname)
    title = next(iter(doctree.findall(nodes.title)), None)
    if not run or run["runtime"] is None or title is None:
        return
    seconds = round(run["runtime"])
    text = f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
    line = nodes.paragraph("", f"Measured: all cells of this page ran in {text}, on a CPU.")
    line["classes"].append("measured-time")
    title.parent.insert(title.parent.index(title) + 1, line)


def without_thebe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop the scripts of thebe, which Jupyter Book loads always, twice, and with the address of another host."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script} {getattr(script, 'attributes', {}).get('body', '')}".lower()
    ]
    context["css_files"] = [style for style in context["css_files"] if "thebe" not in str(style).lower()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    # The kernels inherit both. The first tells explorers and figures to print themselves for a static page. The second:
    # the chapters' networks are so small that threads cost more than they bring, four times over on a busy machine, and
    # one thread sums in one order, whatever the number of cores.
    os.environ["DMLKIT_BOOK"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    app.connect("config-inited", prepare)
    app.connect("doctree-resolved", say_how_long)
    app.connect("html-page-context", without_thebe, priority=900)  # after the extension that adds them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
