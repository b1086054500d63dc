"""Cars-196 for retrieval: all images in `car_ims`, their classes in `cars_annos.mat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, first_half_of_classes, write_matlab
from dmlkit.data.layouts.stanford_cars import annotations, class_names

ANNOTATIONS = "cars_annos.mat"


def read(root: Path) -> dict[str, ImageSet]:
    """The zero-shot split: the first half of the classes trains, the second half tests.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    classes = class_names(root / ANNOTATIONS)
    names, labels = annotations(root / ANNOTATIONS, "relative_im_path", classes)
    return first_half_of_classes(ImageSet(Files(root, names), labels, classes))


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout."""
    rows = []
    for label in range(drawing.classes):
        for number in range(drawing.per_class):
            name = f"car_ims/{len(rows) + 1:06d}.jpg"
            drawing.save(root / name, label, number)
            rows.append((name, 1, 1, drawing.size, drawing.size, label + 1, number % 2))
    fields = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
    write_matlab(
        root / ANNOTATIONS,
        annotations=np.array(rows, dtype=[(field, object) for field in fields]),
        class_names=np.array([f"Drawn Car Sedan {2000 + label}" for label in range(drawing.classes)], dtype=object),
    )
    return drawing.halves()
