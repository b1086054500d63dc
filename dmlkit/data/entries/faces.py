"""Faces: MS1MV2 to train on; LFW, CFP-FP, AgeDB-30, CALFW and CPLFW to verify with."""

from __future__ import annotations

from dmlkit.data.entry import Entry, Source
from dmlkit.data.layouts import face_bin, lfw, ms1mv2
from dmlkit.data.layouts.common import Count, Drawing

_PACKAGE = (
    "it is in InsightFace's package of MS1MV2, of which no checksum is published; with folder=… the package is read "
    "where it lies"
)
_LICENCE = "none stated; photographs of real people, gathered for research on face recognition"
_USED_BY = "paper W (section IV-H)"


def _verification(name: str, title: str, file: str, pairs: int, citation: str) -> Entry:
    """A file of InsightFace's package; with two images a pair."""
    return Entry(
        name=name,
        title=title,
        task="verification",
        counts={"pairs": Count(2 * pairs, pairs=pairs)},
        sources=(Source(file, unpack=False),),
        read=face_bin.reader(file),
        draw=face_bin.drawer(file),
        miniature=Drawing(classes=8, per_class=2),
        licence=_LICENCE,
        citation=citation,
        used_by=_USED_BY,
        by_hand=_PACKAGE,
        note="ten folds of equal size in the order of the file; who is on an image is not known",
        shows_people=True,
    )


ENTRIES = (
    Entry(
        name="lfw",
        title="Labeled Faces in the Wild",
        task="verification",
        counts={"pairs": Count(13_233, pairs=6000)},
        sources=(
            Source("lfw.tgz", checksum="md5:a17d05bd522c52d84eca14327a23d494", into=lfw.FOLDER),
            Source(
                "pairs.txt",
                checksum="md5:9f1ba174e4e1c508ff7cdf10ac338a7d",
                into=lfw.FOLDER,
                unpack=False,
                pack="lfw_a_96/pairs.txt",
            ),
        ),
        read=lfw.read,
        draw=lfw.draw,
        licence="none stated; press photographs of real people, gathered for research on face verification",
        citation="Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, 2007",
        used_by=_USED_BY,
        by_hand="its site no longer offers it, but mirrors do, whose md5 will be checked",
        note="the ten folds of its View 2; papers mostly take the aligned images of lfw-bin",
        shows_people=True,
    ),
    _verification(
        "lfw-bin",
        "Labeled Faces in the Wild, aligned by InsightFace",
        "lfw.bin",
        6000,
        "Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, 2007",
    ),
    _verification(
        "cfp-fp",
        "Celebrities in Frontal-Profile, frontal against profile",
        "cfp_fp.bin",
        7000,
        "Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs: Frontal to Profile Face Verification in the Wild, 2016",
    ),
    _verification(
        "agedb-30",
        "AgeDB, 30 years apart",
        "agedb_30.bin",
        6000,
        "Moschoglou, Papaioannou, Sagonas, Deng, Kotsia, Zafeiriou: AgeDB, 2017",
    ),
    _verification("calfw", "Cross-Age LFW", "calfw.bin", 6000, "Zheng, Deng, Hu: Cross-Age LFW, 2017"),
    _verification("cplfw", "Cross-Pose LFW", "cplfw.bin", 6000, "Zheng, Deng: Cross-Pose LFW, 2018"),
    Entry(
        name="ms1mv2",
        title="MS1MV2",
        task="face training",
        counts={"train": Count(5_822_653, 85_742)},
        sources=tuple(Source(file, unpack=False) for file in ("train.rec", "train.idx", "property")),
        read=ms1mv2.read,
        draw=ms1mv2.draw,
        licence=_LICENCE,
        citation="Deng, Guo, Xue, Zafeiriou: ArcFace, CVPR 2019, from MS-Celeb-1M (Guo et al., 2016)",
        used_by=_USED_BY,
        by_hand=_PACKAGE,
        shows_people=True,
    ),
)
