"""Fine-grained classification: Stanford Cars, FGVC-Aircraft, Oxford Flowers-102."""

from __future__ import annotations

from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import aircraft, flowers, stanford_cars
from dmlkit.data.layouts.common import Count, Drawing

_FLOWERS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"

ENTRIES = (
    Entry(
        name="stanford-cars",
        title="Stanford Cars",
        task="classification",
        counts={"train": Count(8144, 196), "test": Count(8041, 196)},
        sources=(
            Source("car_devkit.tgz", checksum="md5:c3b158d763b6e2245038c8ad08e45376", into=stanford_cars.FOLDER),
            Source("cars_train.tgz", checksum="md5:065e5b463ae28d29e77c1b4b166cfe61", into=stanford_cars.FOLDER),
            Source("cars_test.tgz", checksum="md5:4ce7ebf6a94d07f1952d94dd34c4d501", into=stanford_cars.FOLDER),
            Source(
                "cars_test_annos_withlabels.mat",
                checksum="md5:b0a2b23655a3edd16d84508592a98d10",
                into=stanford_cars.FOLDER,
                unpack=False,
            ),
        ),
        read=stanford_cars.read,
        draw=stanford_cars.draw,
        licence="none stated in the files; its page, now gone, said non-commercial research",
        citation="Krause, Stark, Deng, Fei-Fei: 3D Object Representations for Fine-Grained Categorization, 3dRR 2013",
        used_by="paper S (section 4)",
        by_hand="its page is gone; github.com/pytorch/vision/issues/7545 says who has copies",
        note="the same photographs as Cars-196, split within the classes",
    ),
    Entry(
        name="fgvc-aircraft",
        title="FGVC-Aircraft 2013b",
        task="classification",
        counts={"train": Count(3334, 100), "val": Count(3333, 100), "test": Count(3333, 100)},
        sources=(
            Source(
                "fgvc-aircraft-2013b.tar.gz",
                url="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
            ),
        ),
        read=aircraft.read,
        draw=aircraft.draw,
        licence="non-commercial research, as far as is known; the photographs belong to their authors",
        citation="Maji, Rahtu, Kannala, Blaschko, Vedaldi: Fine-Grained Visual Classification of Aircraft, 2013",
        used_by="paper S (section 4)",
        note=(
            "usually train and val together train, `train.join(val)`, 6,667 images; "
            "the lowest 20 rows of each image are a banner with its author, to be cut off"
        ),
    ),
    Entry(
        name="flowers102",
        title="Oxford Flowers-102",
        task="classification",
        counts={"train": Count(1020, 102), "val": Count(1020, 102), "test": Count(6149, 102)},
        sources=(
            Source(
                "102flowers.tgz",
                url=f"{_FLOWERS}/102flowers.tgz",
                checksum="md5:52808999861908f626f3c1f4e79d11fa",
                into=flowers.FOLDER,
            ),
            Source(
                "imagelabels.mat",
                url=f"{_FLOWERS}/imagelabels.mat",
                checksum="md5:e0620be6f572b9609742df49c70aed4d",
                size=502,
                into=flowers.FOLDER,
                unpack=False,
                pack="annotations/flowers-102/imagelabels.mat",
            ),
            Source(
                "setid.mat",
                url=f"{_FLOWERS}/setid.mat",
                checksum="md5:a5357ecc9cb78c4bef273ce3793fc85c",
                size=14_989,
                into=flowers.FOLDER,
                unpack=False,
                pack="annotations/flowers-102/setid.mat",
            ),
        ),
        read=flowers.read,
        draw=flowers.draw,
        miniature=Drawing(classes=8, per_class=8),
        licence="none stated",
        citation="Nilsback, Zisserman: Automated Flower Classification over a Large Number of Classes, ICVGIP 2008",
        used_by="paper S (section 4)",
        note="train has 10 images a class; some papers train on train and val together, `train.join(val)`",
    ),
)
