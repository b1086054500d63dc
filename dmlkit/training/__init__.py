"""Training: a config in, a run record out.

- `run`           `run(config)`: trains, measures, keeps checkpoints and a record; read it from top to bottom
- `assembly`      from the names in a config to data and losses; `batches` to the batches of each epoch
- `optimization`  parameter groups, optimizers, schedules, clipping
- `evaluation`    embeddings of a split, and the measures
- `checkpoints`   written whole or not at all
- `distributed`   several processes: one loss over the whole batch
- `in_memory`     `train`: a network, a loss and a data set that fits memory, for the chapters
"""

from dmlkit.training.in_memory import Trained, embed, train
from dmlkit.training.run import run

__all__ = ["Trained", "embed", "run", "train"]
