"""A fair comparison of many losses: one protocol, one budget, one machine.

- `features`    rows that no loss may change: pixels, or what a frozen network makes of images
- `candidates`  the losses, what is tuned of each, in which range
- `protocol`    how a head is trained and measured, the same for all
- `networks`    the same with networks that train, on images in memory
- `studies`     the search and the final runs of every loss, in one file that can be gone on with
- `ranks`       mean ranks, critical differences, and what a smaller search had found
- `pictures`    the critical-difference plot

Used in the chapters "A fair comparison" and "Choosing a loss".
"""

from dmlkit.comparison.candidates import CANDIDATES, FAMILIES, Candidate, draw
from dmlkit.comparison.features import NAMES, Rows, rows
from dmlkit.comparison.networks import IMAGES, Images, NetworkProtocol, image_course, images
from dmlkit.comparison.pictures import critical_difference_plot
from dmlkit.comparison.protocol import (
    MEASURES,
    Course,
    Lesson,
    Protocol,
    course,
    embedded,
    embeddings_of_test,
    lesson,
    measured,
    train_head,
    validation_scores,
)
from dmlkit.comparison.ranks import agreement, alike, critical_difference, expected_test, friedman, mean_ranks
from dmlkit.comparison.studies import Study, one_loss, study

__all__ = [
    "CANDIDATES",
    "FAMILIES",
    "IMAGES",
    "MEASURES",
    "NAMES",
    "Candidate",
    "Course",
    "Images",
    "Lesson",
    "NetworkProtocol",
    "Protocol",
    "Rows",
    "Study",
    "agreement",
    "alike",
    "course",
    "critical_difference",
    "critical_difference_plot",
    "draw",
    "embedded",
    "embeddings_of_test",
    "expected_test",
    "friedman",
    "image_course",
    "images",
    "lesson",
    "mean_ranks",
    "measured",
    "one_loss",
    "rows",
    "study",
    "train_head",
    "validation_scores",
]
