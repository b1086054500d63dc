"""Small stand-ins for the retrieval benchmarks, from real images that fit on any disk."""

from __future__ import annotations

from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import cub, stanford_cars
from dmlkit.data.layouts.common import Count

ENTRIES = (
    Entry(
        name="cub50",
        title="CUB-200-2011, the first 50 classes at 128 pixels",
        task="retrieval",
        counts={"train": Count(1402, 25), "test": Count(1487, 25)},
        sources=(
            Source(
                "CUB_200_2011.zip",
                checksum="sha256:82ab40f547a65f899915f47b19e7de46eb675237410fa05c3c927f3a00aa0db9",
                size=21_500_155,
                pack="cub200_2011_first50/CUB_200_2011.zip",
            ),
        ),
        read=cub.read,
        draw=cub.draw,
        licence="non-commercial research and education; the photographs belong to their authors",
        citation="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset, 2011",
        used_by="small runs in place of cub200",
        note="classes 1–25 train, 26–50 test",
        zero_shot=True,
        stands_in_for="cub200",
    ),
    Entry(
        name="cars196-train-half",
        title="Stanford Cars, the training half at 128×96 pixels, split by classes",
        task="retrieval",
        counts={"train": Count(4052, 98), "test": Count(4092, 98)},
        sources=(
            Source(
                "cars_train.zip",
                checksum="sha256:79dda318e93b717be000f4be5ef934964d262968fb60844daf504c09e5588dfb",
                size=34_038_269,
                pack="stanford_cars_train/cars_train.zip",
            ),
            Source(
                "cars_meta.mat",
                checksum="sha256:fe43dfda289448f97c25b09e09fafc0414e22fc4143831537780884a0a5f4a1a",
                size=3177,
                into="devkit",
                unpack=False,
                pack="stanford_cars_train/devkit/cars_meta.mat",
            ),
            Source(
                "cars_train_annos.mat",
                checksum="sha256:1c1973dd828a2964060b0bbc0e423466393fe3001a3f8e303f41fbf22067dfb1",
                size=187_916,
                into="devkit",
                unpack=False,
                pack="stanford_cars_train/devkit/cars_train_annos.mat",
            ),
        ),
        read=stanford_cars.read_train_half,
        draw=stanford_cars.draw_train_half,
        licence="none stated in the files; its page, now gone, said non-commercial research",
        citation="Krause, Stark, Deng, Fei-Fei: 3D Object Representations for Fine-Grained Categorization, 3dRR 2013",
        used_by="small runs in place of cars196",
        note="classes 1–98 train, 99–196 test, of the 8,144 official training images; their aspect ratio is not kept",
        zero_shot=True,
        stands_in_for="cars196",
    ),
)
