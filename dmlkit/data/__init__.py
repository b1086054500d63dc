"""Images and the splits that experiments need.

- `split`   `ImageSplit`: what every data set hands to training
- `digits`  handwritten digits that come with scikit-learn
"""

from dmlkit.data.digits import digits
from dmlkit.data.split import ImageSplit

__all__ = ["ImageSplit", "digits"]
