"""Training: a config in, a run record out.

- `run`           `run(config)`: trains, measures, keeps checkpoints and a record; read it from top to bottom
- `several`       `run_recipes`: recipes × seeds on a benchmark, and the folder of each run
- `missing`       what a run would need and does not find on this machine
- `assembly`      from the names in a config to data and losses; `batches` to the batches of each epoch
- `optimization`  parameter groups, optimizers, schedules, clipping
- `evaluation`    embeddings of a split, and the measures
- `checkpoints`   written whole or not at all
- `distributed`   several processes: one loss over the whole batch
- `in_memory`     `train`: a network, a loss and a data set that fits memory, for the chapters
"""

from dmlkit.training.in_memory import Trained, embed, train
from dmlkit.training.missing import missing
from dmlkit.training.run import run
from dmlkit.training.several import run_folder, run_recipes

__all__ = ["Trained", "embed", "missing", "run", "run_folder", "run_recipes", "train"]
