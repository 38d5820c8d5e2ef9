"""answers.py: the order of the questions, and files that were changed by hand."""

import numpy as np
import pytest

from gancompare.explore.answers import append_answer, plan, read_answers
from gancompare.runs import layout


def test_the_order_is_random_balanced_and_of_the_seed():
    trials = plan(("gan", "wgan"), 50, 3)
    assert sorted(t.image for t in trials if t.source == "gan") == list(range(50))
    assert sorted(t.image for t in trials if t.source == "real") == list(range(100))
    real = np.array([t.source == "real" for t in trials])
    switches = (real[1:] != real[:-1]).sum()
    assert abs(switches - 100) < 30  # of 199, half: neither blocks nor alternation
    assert trials == plan(("gan", "wgan"), 50, 3)
    assert trials != plan(("gan", "wgan"), 50, 4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",1.500\n", ",soon\n", "line 2 has 'soon' for seconds, not a number"),
        (",1.500\n", "\n", "line 2 has None for seconds, not a number"),
        (",real,1.5", ",maybe,1.5", "line 2 has the answer 'maybe'"),
        ("answer,seconds", "reply,seconds", "line 2 has the answer None"),
        ("trial,", "number,", "line 2 answers another test"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_named_by_line_and_remedy(tmp_path, old, new, message):
    trials = plan(["gan"], 1, 0)
    path = tmp_path / "a.csv"
    append_answer(path, 0, trials[0], answer="real", seconds=1.5)
    assert read_answers(path, trials)["seconds"].tolist() == [1.5]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(layout.RunError, match=message) as error:
        read_answers(path, trials)
    assert str(path) in str(error.value)
    assert "choose another file or delete this one" in str(error.value)
