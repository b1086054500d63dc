"""Which images stand together in a batch: class-balanced, shuffled, or in order; the same on every process.

Each class goes into `DataLoader(batch_sampler=...)`. Its order follows from `seed` and the epoch alone, so an epoch can
be drawn again, and with several processes every rank draws the same whole batches and takes its own part of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from dmlkit.checks import check_choice, check_labels


def check_whole(name: str, value: int, *, least: int = 0) -> None:
    """Require a whole number of at least `least`.

    Raises:
        TypeError: not an integer.
        ValueError: less.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, found {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")


def check_rank(rank: int, world_size: int) -> None:
    """Require a rank in 0 … world_size − 1."""
    check_whole("world_size", world_size, least=1)
    check_whole("rank", rank)
    if rank >= world_size:
        raise ValueError(f"rank must lie in 0 … {world_size - 1}, found {rank}")


class BatchSampler(Sampler[list[int]]):
    """What the three samplers share: an epoch is one order of images, cut into batches, and a rank has parts of it.

    Attributes:
        seed, epoch, rank, world_size: the order follows from the first two; the others say which part is this rank's.
    """

    def __init__(self, seed: int, rank: int, world_size: int) -> None:
        check_whole("seed", seed)
        check_rank(rank, world_size)
        self.seed, self.epoch, self.rank, self.world_size = seed, 0, rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration gives; without it every epoch has the same order.

        Raises:
            TypeError, ValueError: not an integer, or negative.
        """
        check_whole("epoch", epoch)
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """The numbers of this epoch's images, of all ranks, in order."""
        raise NotImplementedError

    def parts(self) -> list[tuple[int, int]]:
        """Where the batches of this rank begin and end in the order."""
        raise NotImplementedError

    def numbered(self) -> Iterator[tuple[int, list[int]]]:
        """The batches of this rank, each behind the position in the epoch's order at which it begins."""
        order = self.order()
        for start, stop in self.parts():
            yield start, order[start:stop].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        return (batch for _, batch in self.numbered())

    def __len__(self) -> int:
        return len(self.parts())

    def _random(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch])

    def _equal_parts(self, size: int, batch: int) -> list[tuple[int, int]]:
        """This rank's slice of each batch of `batch` images, the last of which may be smaller."""
        whole = [(start, min(batch, size - start)) for start in range(0, size, batch)]
        rank, ranks = self.rank, self.world_size
        return [(start + found * rank // ranks, start + found * (rank + 1) // ranks) for start, found in whole]


class ClassBalanced(BatchSampler):
    """Batches of `classes_per_batch` classes with `images_per_class` images each, those of a class side by side.

    Classes walk through random permutations of all classes: within an epoch no class is drawn twice more often than
    another, and none twice in a batch. The images of a class walk through permutations of its own images: none comes
    again before all have been used, and none twice in a batch. Every epoch begins its walks anew. Where a batch
    stretches over the end of a permutation, the next one is drawn among those that do not repeat an image of the batch.

    A class with fewer images than `images_per_class` gives all of them to each of its batches, and repeats some for the
    remainder: as evenly as can be, which ones is random. Or it is left out, with `small_classes="skip"`.

    Args:
        labels: (N,) integers, the class of each image. Any numbers: classes are those that have an image.
        classes_per_batch: of the whole batch, over all ranks.
        images_per_class: in a batch.
        batches: in an epoch; by default as many as N images make, at least one.
        seed: with the epoch it determines the order.
        rank, world_size: which process this is, of how many. Rank k takes the k-th part of each batch, whole classes;
            the parts of all ranks one after the other are the batch of a single process.
        small_classes: "repeat" or "skip".

    Raises:
        TypeError, ValueError: a wrong dtype or shape of labels, a number that is not positive, more classes a batch
            than there are, or classes that cannot be shared evenly among the ranks.

    Example:
        >>> sampler = ClassBalanced(torch.tensor([0, 0, 1, 1, 2, 2]), classes_per_batch=3, images_per_class=2)
        >>> [sorted(batch) for batch in sampler]
        [[0, 1, 2, 3, 4, 5]]

    Source: classes × images, as in Hermans et al., "In Defense of the Triplet Loss", 2017 (P × K).
    """

    def __init__(
        self,
        labels: Tensor | Sequence[int],
        classes_per_batch: int,
        images_per_class: int,
        *,
        batches: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        small_classes: str = "repeat",
    ) -> None:
        super().__init__(seed, rank, world_size)
        labels = torch.as_tensor(labels)
        check_labels(labels, labels.numel())
        check_whole("classes_per_batch", classes_per_batch, least=1)
        check_whole("images_per_class", images_per_class, least=1)
        check_choice("small_classes", small_classes, ("repeat", "skip"))
        if batches is not None:
            check_whole("batches", batches, least=1)
        if classes_per_batch % world_size:
            raise ValueError(
                f"classes_per_batch must be a multiple of world_size {world_size}, so that every rank has whole "
                f"classes, found {classes_per_batch}"
            )
        _, classes, sizes = np.unique(labels.cpu().numpy(), return_inverse=True, return_counts=True)
        self._images = np.argsort(classes, kind="stable")
        self._first = np.cumsum(sizes) - sizes
        kept = sizes >= (images_per_class if small_classes == "skip" else 1)
        self._first, self._sizes = self._first[kept], sizes[kept]
        if classes_per_batch > len(self._sizes):
            enough = f"at least {images_per_class} images" if small_classes == "skip" else "images"
            raise ValueError(
                f"classes_per_batch must be at most {len(self._sizes)}, the number of classes with {enough}, "
                f"found {classes_per_batch}"
            )
        self.classes_per_batch, self.images_per_class = classes_per_batch, images_per_class
        self.batch_size = classes_per_batch * images_per_class
        self.batches = max(1, len(labels) // self.batch_size) if batches is None else batches

    def order(self) -> np.ndarray:
        random = self._random()
        total = np.array([len(self._sizes)])
        classes = _walks(total, np.array([self.batches]), self.classes_per_batch, random)
        # Draws of one class stand together while its images are found, and go back to their places afterwards.
        places = _sorted_places(classes, np.zeros_like(classes), 0)
        draws = np.bincount(classes, minlength=len(self._sizes))
        small = self._sizes < self.images_per_class
        drawn = np.empty((len(classes), self.images_per_class), dtype=np.int64)
        large_places, small_places = places[~small[classes[places]]], places[small[classes[places]]]
        large = _walks(self._sizes[~small], draws[~small], self.images_per_class, random)
        drawn[large_places] = large.reshape(-1, self.images_per_class)
        drawn[small_places] = _repeats(self._sizes[classes[small_places]], self.images_per_class, random)
        return self._images[self._first[classes][:, None] + drawn].reshape(-1)

    def parts(self) -> list[tuple[int, int]]:
        return self._equal_parts(self.batches * self.batch_size, self.batch_size)


def _shuffled(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An order in which groups rise and the members of each are mixed."""
    bits = 62 - len(groups).bit_length() - int(groups.max(initial=0)).bit_length()
    return _sorted_places(groups, random.integers(1 << bits, size=len(groups)), bits)


def _sorted_places(groups: np.ndarray, within: np.ndarray, bits: int) -> np.ndarray:
    """The order by group, then by `within`, numbers of so many bits, then by place."""
    # All three in one whole number: sorting those is much faster than sorting places by keys, and as no two are equal
    # every platform finds the same order.
    low = len(groups).bit_length()
    keys = (((groups.astype(np.int64) << bits) + within) << low) + np.arange(len(groups))
    return np.sort(keys) & ((1 << low) - 1)


def _within(sizes: np.ndarray) -> np.ndarray:
    """0 … size − 1 for each group, one group after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _walks(sizes: np.ndarray, draws: np.ndarray, take: int, random: np.random.Generator) -> np.ndarray:
    """Draws of `take` members each from every group, of `take` members at least; group after group, draw after draw.

    Each group goes through permutations of its members, and no member is twice in a draw. A cycle of the loop is one
    permutation of all groups that still need members.
    """
    needed = draws * take
    begins = np.cumsum(needed) - needed
    walked = np.empty(needed.sum(), dtype=np.int64)
    groups = np.flatnonzero(needed)
    cycle, last, begins_last = 0, walked, begins
    while len(groups):
        size = sizes[groups]
        owner, place = np.repeat(np.arange(len(groups)), size), _within(size)
        if cycle == 0:
            members = place[_shuffled(owner, random)]
        else:
            # The last draw has begun with the end of the permutation before and is to be completed with others.
            begun = cycle * size % take
            missing = np.where(begun > 0, take - begun, 0)
            earlier = last[_within(size) + np.repeat(begins_last, size)]
            in_draw = place >= np.repeat(size - begun, size)
            # Those that may complete it, mixed, stand in front of those that may not.
            front = _shuffled(2 * owner + in_draw, random)
            # The first of them do complete it, and all others are mixed once more, together.
            waiting = place >= np.repeat(missing, size)
            members = earlier[front][_shuffled(2 * owner + waiting, random)]
        count = np.minimum(size, needed[groups] - cycle * size)
        used = place < np.repeat(count, size)
        walked[(begins[groups] + cycle * size)[owner[used]] + place[used]] = members[used]
        cycle += 1
        going = needed[groups] > cycle * size
        last, begins_last, groups = members, (np.cumsum(size) - size)[going], groups[going]
    return walked


def _repeats(sizes: np.ndarray, take: int, random: np.random.Generator) -> np.ndarray:
    """For each draw `take` members of a group that has fewer: (draws, take), whole permutations, the last one cut."""
    copies = -(-take // sizes)
    length = copies * sizes
    draw = np.repeat(np.arange(len(sizes)), length)
    place = _within(length)
    copy = np.repeat(np.cumsum(copies) - copies, length) + place // sizes[draw]
    members = (place % sizes[draw])[_shuffled(copy, random)]
    return members[place < take].reshape(-1, take)


class Shuffled(BatchSampler):
    """Every image once an epoch, in random order.

    Args:
        size: number of images.
        batch_size: of the whole batch, over all ranks.
        drop_last: leave out the last images where they make no whole batch; other ones each epoch.
        seed: with the epoch it determines the order.
        rank, world_size: which process this is, of how many. Rank k takes the k-th part of each batch.

    Raises:
        TypeError, ValueError: a number that is not positive, fewer images than make a batch with `drop_last`, or
            batches that cannot be shared evenly among the ranks: gradients are averaged over ranks, so images of a
            smaller part would count more.

    Example:
        >>> [len(batch) for batch in Shuffled(10, 4, drop_last=False)]
        [4, 4, 2]
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        drop_last: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(seed, rank, world_size)
        check_whole("size", size, least=1)
        check_whole("batch_size", batch_size, least=1)
        if batch_size % world_size:
            raise ValueError(f"batch_size must be a multiple of world_size {world_size}, found {batch_size}")
        if drop_last and size < batch_size:
            raise ValueError(
                f"batch_size must be at most {size}, the number of images, with drop_last, found {batch_size}"
            )
        if not drop_last and size % batch_size % world_size:
            raise ValueError(
                f"drop_last=False needs a last batch that {world_size} ranks can share, found one of "
                f"{size % batch_size} images"
            )
        self.size, self.batch_size, self.drop_last = size, batch_size, drop_last

    def order(self) -> np.ndarray:
        return self._random().permutation(self.size)

    def parts(self) -> list[tuple[int, int]]:
        used = self.size - self.size % self.batch_size if self.drop_last else self.size
        return self._equal_parts(used, self.batch_size)


class Sequential(BatchSampler):
    """Every image once, in order, for evaluation: nothing is dropped, padded or repeated.

    Rank k has the k-th of `world_size` contiguous parts, so results of the ranks one after the other are in order.
    Parts differ by one image at most; with more ranks than images some have none.

    Args:
        size: number of images.
        batch_size: of one rank.
        rank, world_size: which process this is, of how many.

    Raises:
        TypeError, ValueError: a number that is not positive.

    Example:
        >>> list(Sequential(7, 2, rank=1, world_size=2))
        [[3, 4], [5, 6]]
    """

    def __init__(self, size: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(0, rank, world_size)
        check_whole("size", size, least=1)
        check_whole("batch_size", batch_size, least=1)
        self.size, self.batch_size = size, batch_size

    def order(self) -> np.ndarray:
        return np.arange(self.size)

    def parts(self) -> list[tuple[int, int]]:
        begin, end = (self.size * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return [(start, min(start + self.batch_size, end)) for start in range(begin, end, self.batch_size)]
