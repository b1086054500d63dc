"""Which page of the book shows which explorer: one line here puts an explorer under every test of test_explorers.py."""

from __future__ import annotations

PAGES = {
    "arms": "book/silhouette/does_it_help.html",
    "batches": "book/silhouette/mini_batches.html",
    "class_means": "book/silhouette/class_means.html",
    "softening": "book/silhouette/softening.html",
    "silhouette_bars": "book/silhouette/the_silhouette.html",
    "gradients": "book/silhouette/local_and_global.html",
    "landscape": "book/warped_softmax/landscape.html",
}
