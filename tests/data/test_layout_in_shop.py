"""In-shop Clothes Retrieval: the miniature and contradictions."""

import pytest
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused, replace

from dmlkit.data.entries import retrieval
from dmlkit.data.layouts import in_shop
from dmlkit.data.layouts.common import Count

ENTRY = entry_named(retrieval.ENTRIES, "in-shop")


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(24, 4), "query": Count(12, 4), "gallery": Count(12, 4)}
    # Training items, whose official ids are odd in the miniature, have the first labels.
    assert splits["query"].classes == tuple(f"id_{number:08d}" for number in (1, 3, 5, 7, 2, 4, 6, 8))
    assert sorted(set(splits["train"].labels.tolist())) == [0, 1, 2, 3]
    assert sorted(set(splits["query"].labels.tolist())) == [4, 5, 6, 7]
    assert sorted(set(splits["gallery"].labels.tolist())) == [4, 5, 6, 7]
    assert len({id(split.store) for split in splits.values()}) == 1
    for split in splits.values():
        for number, (image, label) in enumerate(split):
            *_, item, file = split.store.names[split.places[number]].split("/")
            assert item == split.classes[label]
            assert drawn_as(image, ENTRY.miniature) == (int(item[3:]) - 1, int(file[:2]) - 1)


def test_official_lines(tmp_path):
    # Columns as the official file has them, which begins with these two.
    (tmp_path / "Eval").mkdir()
    (tmp_path / in_shop.PARTITION).write_text(
        "4\n"
        "image_name item_id evaluation_status\n"
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg                           id_00000002 train      \n"
        "img/WOMEN/Dresses/id_00000002/02_2_side.jpg                            id_00000002 train      \n"
        "img/WOMEN/Blouses_Shirts/id_00000001/02_1_front.jpg                    id_00000001 query      \n"
        "img/WOMEN/Blouses_Shirts/id_00000001/02_2_side.jpg                     id_00000001 gallery    \n"
    )
    splits = in_shop.read(tmp_path)
    assert {name: split.labels.tolist() for name, split in splits.items()} == {
        "train": [0, 0],
        "query": [1],
        "gallery": [1],
    }
    assert splits["gallery"].classes == ("id_00000002", "id_00000001")
    assert splits["gallery"].store.names[1] == "img/WOMEN/Dresses/id_00000002/02_2_side.jpg"


def test_archives(tmp_path):
    members = {"img.zip": "img"}
    assert len(prepared(ENTRY, tmp_path, members)["query"]) == 12


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


def test_missing_file(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / in_shop.PARTITION).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / in_shop.PARTITION, "is missing")


ITEM_1, ITEM_2 = "img/WOMEN/Dresses/id_00000001/", "img/WOMEN/Dresses/id_00000002/"
CONTRADICTIONS = {
    "another count": ("48\n", "52712\n", "it promises 52,712 images and lists 48"),
    "no count": ("48\n", "", "its first two lines must be the number of images and"),
    "another header": ("evaluation_status", "status", "its first two lines must be"),
    "an unknown split": ("train", "val", "one of train, query, gallery, found"),
    "a line too short": ("id_00000001 train", "train", "a line must be an image, an item and one of"),
    "an image twice": (ITEM_1 + "02_1_front.jpg", ITEM_1 + "01_1_front.jpg", "01_1_front.jpg is listed twice"),
    "another item than the folder's": (" id_00000001 ", " id_00000003 ", "does not lie in the folder of its item"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradiction(name, tmp_path):
    old, new, said = CONTRADICTIONS[name]
    counts, _ = drawn(ENTRY, tmp_path)
    replace(tmp_path / in_shop.PARTITION, old, new)
    refused(ENTRY, tmp_path, counts, tmp_path / in_shop.PARTITION, said)


@pytest.mark.parametrize("content", ["", "48\n", "0\nimage_name item_id evaluation_status\n"])
def test_nothing_in_it(content, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / in_shop.PARTITION).write_text(content)
    refused(ENTRY, tmp_path, counts, tmp_path / in_shop.PARTITION, "is not the official file")


def test_query_without_gallery(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / in_shop.PARTITION
    text = path.read_text()
    lines = [line.replace("gallery", "query") if "id_00000004" in line else line for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")
    refused(ENTRY, tmp_path, counts, path, "id_00000004 is a query without an image in the gallery")


def test_item_in_train_and_in_query(tmp_path):
    _, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / in_shop.PARTITION
    lines = [
        line.replace("query", "train") if ITEM_2 + "01" in line else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    counts = {"train": Count(25, 5), "query": Count(11, 4), "gallery": Count(12, 4)}
    refused(ENTRY, tmp_path, counts, "class 'id_00000002' is in train and in query")
