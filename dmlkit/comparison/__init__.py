"""A fair comparison of many losses: one protocol, one budget, one machine.

- `features`    rows that no loss may change: pixels, or what a frozen network makes of images
- `candidates`  the losses, what is tuned of each, in which range
- `protocol`    how a head is trained and measured, the same for all
- `study`       the search and the final runs of every loss, in one file that can be gone on with

Used in the chapters "A fair comparison" and "Choosing a loss".
"""

from dmlkit.comparison.candidates import CANDIDATES, FAMILIES, Candidate, draw
from dmlkit.comparison.features import NAMES, Rows, rows
from dmlkit.comparison.protocol import MEASURES, Course, Lesson, Protocol, course, lesson, train_head
from dmlkit.comparison.study import Study, one_loss, study

__all__ = [
    "CANDIDATES",
    "FAMILIES",
    "MEASURES",
    "NAMES",
    "Candidate",
    "Course",
    "Lesson",
    "Protocol",
    "Rows",
    "Study",
    "course",
    "draw",
    "lesson",
    "one_loss",
    "rows",
    "study",
    "train_head",
]
