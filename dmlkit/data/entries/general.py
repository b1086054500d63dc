"""Classification of everyday things and characters: CIFAR, Fashion-MNIST, Caltech, Omniglot, digits."""

from __future__ import annotations

from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import caltech, cifar, digits, fashion_mnist, omniglot
from dmlkit.data.layouts.common import Count, Drawing

_OUR_SPLIT = (
    "it has no official split: ours tests on every fifth image of each class, in the order of the SHA-256 of "
    '"class/file name"'
)

ENTRIES = (
    Entry(
        name="cifar10",
        title="CIFAR-10",
        task="classification",
        counts={"train": Count(50_000, 10), "test": Count(10_000, 10)},
        sources=(
            Source(
                "cifar-10-python.tar.gz",
                url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                checksum="md5:c58f30108f718f92721af3b95e74349a",
            ),
        ),
        read=cifar.read_cifar10,
        draw=cifar.draw_cifar10,
        licence="none stated, as far as is known; its authors ask to be cited",
        citation="Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        used_by="paper S (section 4)",
    ),
    Entry(
        name="cifar100",
        title="CIFAR-100",
        task="classification",
        counts={"train": Count(50_000, 100), "test": Count(10_000, 100)},
        sources=(
            Source(
                "cifar-100-python.tar.gz",
                url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
            ),
        ),
        read=cifar.read_cifar100,
        draw=cifar.draw_cifar100,
        licence="none stated, as far as is known; its authors ask to be cited",
        citation="Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        used_by="paper S (section 4)",
        note="the 100 fine classes",
    ),
    Entry(
        name="fashion-mnist",
        title="Fashion-MNIST",
        task="classification",
        counts={"train": Count(60_000, 10), "test": Count(10_000, 10)},
        sources=tuple(
            Source(
                file,
                url=f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{file}",
                checksum=f"md5:{md5}",
                into=fashion_mnist.FOLDER,
                unpack=False,
                pack=f"fashion_mnist/{file}",
            )
            for file, md5 in (
                ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
                ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
                ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
            )
        ),
        read=fashion_mnist.read,
        draw=fashion_mnist.draw,
        miniature=Drawing(classes=10, per_class=6, size=28),
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, a Novel Image Dataset for Benchmarking, 2017",
        used_by="small runs",
        finish=fashion_mnist.unzip,
    ),
    Entry(
        name="caltech101",
        title="Caltech-101",
        task="classification",
        # ⌊8,677/5⌋ test.
        counts={"train": Count(6942, 101), "test": Count(1735, 101)},
        sources=(
            Source(
                "caltech-101.zip",
                url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                checksum="md5:3138e1922a9193bfa496528edbbc45d0",
                into="caltech101",
            ),
        ),
        read=caltech.read_101,
        draw=caltech.draw_101,
        licence="CC BY 4.0 at CaltechDATA, as far as is known",
        citation="Fei-Fei, Fergus, Perona: Learning Generative Visual Models from Few Training Examples, 2004",
        used_by="paper S (section 4)",
        note=_OUR_SPLIT,
        finish=caltech.unpack_inner,
        unused=(f"*/{caltech.BACKGROUND}/*",),
    ),
    Entry(
        name="caltech256",
        title="Caltech-256",
        task="classification",
        # ⌊30,607/5⌋ test.
        counts={"train": Count(24_486, 257), "test": Count(6121, 257)},
        sources=(
            Source(
                "256_ObjectCategories.tar",
                url="https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
                checksum="md5:67b4f42ca05d46448c6bb8ecd2220f6d",
                into="caltech256",
            ),
        ),
        read=caltech.read_256,
        draw=caltech.draw_256,
        licence="CC BY 4.0 at CaltechDATA, as far as is known",
        citation="Griffin, Holub, Perona: Caltech-256 Object Category Dataset, 2007",
        used_by="paper S (section 4)",
        note=f"{_OUR_SPLIT}; the folder of clutter counts as the 257th class",
    ),
    Entry(
        name="omniglot",
        title="Omniglot",
        task="classification",
        counts={"train": Count(19_280, 964), "test": Count(13_180, 659)},
        sources=tuple(
            Source(
                f"{part}.zip",
                url=f"https://raw.githubusercontent.com/brendenlake/omniglot/master/python/{part}.zip",
                checksum=f"md5:{md5}",
                into=omniglot.FOLDER,
            )
            for part, md5 in (
                ("images_background", "68d2efa1b9178cc56df9314c21c6e718"),
                ("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811"),
            )
        ),
        read=omniglot.read,
        draw=omniglot.draw,
        licence="MIT",
        citation="Lake, Salakhutdinov, Tenenbaum: Human-Level Concept Learning, Science 2015",
        used_by="small runs with classes that training never saw",
        note="the background alphabets train, the evaluation alphabets test",
        zero_shot=True,
    ),
    Entry(
        name="digits",
        title="Digits of scikit-learn",
        task="classification",
        counts={"train": Count(1257, 10), "test": Count(540, 10)},
        sources=(),
        read=digits.read,
        draw=digits.draw,
        licence="CC BY 4.0",
        citation="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        used_by="the chapter A first embedding",
        note="it comes inside scikit-learn and has no official split: ours holds out 30 % of each digit",
    ),
)
