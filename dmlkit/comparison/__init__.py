"""A fair comparison of many losses: one protocol, one budget, one machine.

- `features`    rows that no loss may change: pixels, or what a frozen network makes of images
- `candidates`  the losses, what is tuned of each, in which range
- `protocol`    how a head is trained and measured, the same for all
- `networks`    the same with networks that train, on images in memory
- `studies`     the search and the final runs of every loss, in one file that can be gone on with
- `sweeps`      one number of a loss at a time, all else as it was
- `sensitivities`  how far such a number moves a measure, and what few seeds can tell of that
- `tables`      studies and sweeps as Markdown
- `faces`       LFW's folds of pairs, of which eight are trained on
- `face_studies`  every loss on those, in one file that can be gone on with
- `files`       what the files of studies and sweeps share
- `ranks`       mean ranks, critical differences, and what a smaller search had found
- `pictures`    the critical-difference plot

Used in the chapters "A fair comparison", "From heads to networks", "Turning the knobs" and "Choosing a loss".
"""

from dmlkit.comparison.candidates import CANDIDATES, FAMILIES, Candidate, draw
from dmlkit.comparison.face_studies import FACE_LOSSES, FaceStudy, face_study
from dmlkit.comparison.faces import Faces, face_pairs
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
from dmlkit.comparison.sensitivities import (
    Sensitivity,
    against,
    by_chance,
    sensitivity,
    sensitivity_table,
    untrained,
    widened,
)
from dmlkit.comparison.studies import Study, one_loss, study
from dmlkit.comparison.sweeps import SWEEPS, Sweep, SweepStudy, one_sweep, sweep
from dmlkit.comparison.tables import face_table, read_study, study_table, sweep_table, table

__all__ = [
    "CANDIDATES",
    "FACE_LOSSES",
    "FAMILIES",
    "IMAGES",
    "MEASURES",
    "NAMES",
    "SWEEPS",
    "Candidate",
    "Course",
    "FaceStudy",
    "Faces",
    "Images",
    "Lesson",
    "NetworkProtocol",
    "Protocol",
    "Rows",
    "Sensitivity",
    "Study",
    "Sweep",
    "SweepStudy",
    "against",
    "agreement",
    "alike",
    "by_chance",
    "course",
    "critical_difference",
    "critical_difference_plot",
    "draw",
    "embedded",
    "embeddings_of_test",
    "expected_test",
    "face_pairs",
    "face_study",
    "face_table",
    "friedman",
    "image_course",
    "images",
    "lesson",
    "mean_ranks",
    "measured",
    "one_loss",
    "one_sweep",
    "read_study",
    "rows",
    "sensitivity",
    "sensitivity_table",
    "study",
    "study_table",
    "sweep",
    "sweep_table",
    "table",
    "train_head",
    "untrained",
    "validation_scores",
    "widened",
]
