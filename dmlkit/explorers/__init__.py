"""Interactive figures: live where a kernel is there, alive in the static page without one.

- `landscape`  the warped loss of two classes, with α, β and r to move
- `host`       how an explorer is shown: widget or self-contained HTML
- `live`       the widget (needs anywidget)

Each explorer is name.py (what a chapter calls) and name.js (what the reader moves); warp.js holds arithmetic,
canvas.js drawing, controls.js inputs that several explorers share, static.js the stand-in for a kernel.
"""

from dmlkit.explorers.host import Explorer
from dmlkit.explorers.landscape import landscape

__all__ = ["Explorer", "landscape"]
