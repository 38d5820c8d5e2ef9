from gancompare.bench.bookkeeping import bookkeeping


def test_bookkeeping_reads_back_as_many_runs_as_it_planned(tmp_path):
    table = bookkeeping([3, 5], tmp_path)
    assert table["runs"].tolist() == [3, 5]
    assert (table[["plan_s", "read_s"]] > 0).all(axis=None)
