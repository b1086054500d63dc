"""What the packs of real images (`DMLKIT_PACKS`) have in place of a benchmark, and Omniglot in other zips."""

from __future__ import annotations

from dmlkit.data.entries import faces, general
from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import caltech, image_folders, lfw, omniglot
from dmlkit.data.layouts.common import Count

_GENERAL = {entry.name: entry for entry in general.ENTRIES}
_LFW = faces.ENTRIES[0]

ENTRIES = (
    Entry(
        name="cifar10-jpeg",
        title="CIFAR-10 (JPEG)",
        task="classification",
        counts={"train": Count(50_000, 10), "test": Count(10_000, 10)},
        sources=(
            Source(
                "cifar10_jpg.tar.xz",
                checksum="sha256:c20cedc58b2083a1705642fc443e86740d29ba7e569a5f488435c732980006ca",
                size=18_443_484,
                pack="cifar10/cifar10_jpg.tar.xz",
            ),
        ),
        read=image_folders.read,
        draw=image_folders.draw,
        licence=_GENERAL["cifar10"].licence,
        citation=_GENERAL["cifar10"].citation,
        used_by="small runs in place of cifar10",
        note="the official split, but every image was compressed again and pixels differ a little",
        stands_in_for="cifar10",
    ),
    Entry(
        name="caltech101-50",
        title="Caltech-101, at most 50 images a class",
        task="classification",
        # ⌊4,722/5⌋ test.
        counts={"train": Count(3778, 101), "test": Count(944, 101)},
        sources=(
            Source(
                "101_ObjectCategories.zip",
                checksum="sha256:bcb364e43488c15511da7439ce739f7d95f52df1d1e0b6ec4ad50da691900083",
                size=22_960_018,
                into="caltech101",
                pack="caltech101_cap50/101_ObjectCategories.zip",
            ),
        ),
        read=caltech.read_101,
        draw=caltech.draw_101,
        licence=_GENERAL["caltech101"].licence,
        citation=_GENERAL["caltech101"].citation,
        used_by="small runs in place of caltech101",
        note=f"the first 50 images of each class, 96 pixels; {_GENERAL['caltech101'].note}",
        finish=caltech.add_background,
        unused=_GENERAL["caltech101"].unused,
        stands_in_for="caltech101",
    ),
    Entry(
        name="lfw-a-96",
        title="LFW-a, grey, 96 pixels",
        task="verification",
        counts=_LFW.counts,
        sources=(
            Source(
                "lfw.zip",
                checksum="sha256:172ec21566ceeeee901d624d2458fa4d2e963090a802f50aa0311633edc1071a",
                size=34_243_327,
                into=lfw.FOLDER,
                pack="lfw_a_96/lfw.zip",
            ),
            _LFW.sources[1],
        ),
        read=lfw.read,
        draw=lfw.draw,
        licence=_LFW.licence,
        citation=f"{_LFW.citation}; Wolf, Hassner, Taigman: LFW-a, 2011",
        used_by="small runs in place of lfw",
        note="the official pairs and folds; images aligned, grey, cropped and made smaller",
        shows_people=True,
        stands_in_for="lfw",
    ),
    # Not a stand-in, for its images are the official ones; a name of its own, for a source has one checksum.
    Entry(
        name="omniglot-rezipped",
        title="Omniglot, zipped again",
        task="classification",
        counts=_GENERAL["omniglot"].counts,
        sources=(
            Source(
                "images_background_rezipped.zip",
                checksum="sha256:7fd642c96c012e5877fad2bb829a85795eb5131d8d476a566fcc4eea48f6666c",
                size=8_425_668,
                into=omniglot.FOLDER,
                pack="omniglot/images_background.zip",
            ),
            Source(
                "images_evaluation_rezipped.zip",
                checksum="sha256:41f5a096abe0468f98846362339ecd994dd58b670561f9f931d766aeccc0357d",
                size=5_757_624,
                into=omniglot.FOLDER,
                pack="omniglot/images_evaluation.zip",
            ),
        ),
        read=omniglot.read,
        draw=omniglot.draw,
        licence=_GENERAL["omniglot"].licence,
        citation=_GENERAL["omniglot"].citation,
        used_by=_GENERAL["omniglot"].used_by,
        by_hand="the packs of DMLKIT_PACKS have it; the data set omniglot is the same from the official archives",
        note=f"the images of omniglot in zips made anew, so with other checksums; {_GENERAL['omniglot'].note}",
        zero_shot=True,
    ),
)
