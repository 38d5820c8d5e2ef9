from gancompare.base.progress import progress_bar


def test_a_log_gets_whole_lines_and_the_last_one_once(capsys):
    with progress_bar(3, "mixing", "paints") as bar:
        for _ in range(3):
            bar.update(1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1  # it took far less than the time between two lines
    assert lines[0].startswith("mixing: 100%")
    assert "3/3" in lines[0]
    assert "paints/s" in lines[0]


def test_work_that_stops_early_is_shown_as_far_as_it_got(capsys):
    bar = progress_bar(10, "mixing", "paints", initial=2)
    bar.update(3)
    bar.close()
    assert "5/10" in capsys.readouterr().out
