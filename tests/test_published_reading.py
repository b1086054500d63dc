"""A file of published numbers is read whole or refused in one sentence."""

import pytest

from dmlkit.published import COLUMNS, Published, read_published

HEAD = ",".join(COLUMNS)
ROW = "warped softmax,I,cub200,Warped-Softmax,R512,R@1,0.726,,warped_softmax,"


def write(path, *lines):
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def test_a_row(tmp_path):
    path = write(tmp_path / "a.csv", HEAD, ROW, ROW.replace("0.726,,warped_softmax,", "1,0.0021,,a doubt"))
    first = Published("warped softmax", "I", "cub200", "Warped-Softmax", "R512", "R@1", 0.726, None, "warped_softmax")
    assert read_published(path)[0] == first
    assert (read_published(str(path))[1].value, read_published(path)[1].interval) == (1.0, 0.0021)
    assert read_published(path)[1].recipe is None
    assert [row.note for row in read_published(path)] == ["", "a doubt"]


def test_a_folder_in_the_order_of_names(tmp_path):
    write(tmp_path / "b.csv", HEAD, ROW)
    write(tmp_path / "a.csv", HEAD, ROW.replace("cub200", "sop"))
    write(tmp_path / "README.md", "no table")
    assert [row.benchmark for row in read_published(tmp_path)] == ["sop", "cub200"]


def test_filters(tmp_path):
    path = write(tmp_path / "a.csv", HEAD, ROW, ROW.replace("cub200", "sop"), ROW.replace("R@1", "NMI"))
    assert [row.measure for row in read_published(path, benchmark="cub200")] == ["R@1", "NMI"]
    assert [row.benchmark for row in read_published(path, measure="R@1")] == ["cub200", "sop"]
    assert len(read_published(path, benchmark="sop", measure="R@1", paper="warped softmax")) == 1
    assert read_published(path, paper="silhouette") == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "must have the columns paper, .* found None"),
        ([HEAD.replace("value", "wert"), ROW], "must have the columns"),
        ([HEAD, ROW.replace("0.726", "72.6")], r"line 2: value must be a number in \[0, 1\], found '72.6'"),
        ([HEAD, ROW, ROW.replace("0.726", "")], r"line 3: value must be a number in \[0, 1\], found ''"),
        ([HEAD, ROW.replace("0.726", "nan")], "value must be a number"),
        ([HEAD, ROW.replace("0.726,", "0.7,x")], "interval must be a number"),
        ([HEAD, ROW.replace("cub200", "")], "line 2: benchmark is empty"),
        ([HEAD, ROW + ",more"], "line 2: expected 10 cells"),
        ([HEAD, ROW.rpartition(",")[0]], "line 2: expected 10 cells"),
        ([HEAD, ROW + " a doubt"], "line 2: note must be one line with single blanks, found ' a doubt'"),
        ([HEAD, ROW + '"a\nb"'], "note must be one line with single blanks"),
        ([HEAD.replace(",note", ""), ROW.rpartition(",")[0]], "must have the columns"),
        ([HEAD, '"' + ROW], "is no table of published numbers"),
    ],
)
def test_broken_tables(tmp_path, lines, said):
    with pytest.raises(ValueError, match=said):
        read_published(write(tmp_path / "a.csv", *lines))


def test_a_distance_has_no_upper_end(tmp_path):
    row = ROW.replace("R@1,0.726", "AvgDTP,93.72")
    assert read_published(write(tmp_path / "a.csv", HEAD, row))[0].value == 93.72
    for wrong in ("-1", "inf", "nan", "far", ""):
        path = write(tmp_path / "b.csv", HEAD, row.replace("93.72", wrong))
        with pytest.raises(ValueError, match=f"line 2: value must be a distance, at least 0, found '{wrong}'"):
            read_published(path)


def test_no_table_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"nothing.csv is no table of published numbers"):
        read_published(tmp_path / "nothing.csv")
    with pytest.raises(ValueError, match="a CSV file or a folder of them, found none in"):
        read_published(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"a.csv is no table"):
        read_published(tmp_path)
