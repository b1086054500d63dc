"""What a full run would cost on a GPU that many readers can have: time and memory, estimated before any training.

- `estimates`  `estimate(config)`: minutes, memory and what limits, for each device
- `tables`     the same as a Markdown table with its assumptions, or as a phrase
- `counting`   operations and saved activations of a network, counted on shapes alone
- `work`       how many images a config sends through its network, and how long reading them takes
- `devices`    the GPUs, and every number that is assumed

Nothing is trained, downloaded or measured here. An estimate is a range, and may be off by more where a run waits for
something that the range does not know.
"""

from dmlkit.costs.estimates import Cost, estimate
from dmlkit.costs.tables import phrase, table

__all__ = ["Cost", "estimate", "phrase", "table"]
