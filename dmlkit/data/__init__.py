"""Every data set of the papers, from its official files to batches for a network.

- `benchmark`      `benchmark(name)` and `miniature(name)`: the official split, checked; or drawn by code
- `catalogue`      what there is: splits, sources, checksums, licences (`entry`, `entries/`, one file a kind)
- `layouts/`       the official folder layouts: each file reads one, and draws a miniature in it
- `prepare`        from archives to a checked folder (`download`, `unpack`, `pickles`, `locks`, `places`, `errors`)
- `images`         labelled images in files or memory, and pairs
- `samplers`       batches balanced over classes, shuffled or in order; each shards over processes
- `transforms`     the papers' transforms; `loading` the same batches whatever the number of workers
- `resident`       small sets that live on the device and are augmented there
- `corruptions`    noise, blur and other damage in five severities
- `drawn_bird`     a picture to try them on
- `split`, `digits`  the chapters' own handwritten digits, in memory
"""

from dmlkit.data.benchmark import Benchmark, benchmark, miniature
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.data.digits import digits
from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.places import data_root, packs_folder
from dmlkit.data.split import ImageSplit

__all__ = [
    "CATALOGUE",
    "Benchmark",
    "DataError",
    "ImageSet",
    "ImageSplit",
    "Pairs",
    "benchmark",
    "data_root",
    "digits",
    "miniature",
    "packs_folder",
]
