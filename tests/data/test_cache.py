"""Tensors that are expensive to make are made once, by one process, while others wait."""

import threading
import time

import torch

from gancompare.data.cache import cached


def test_one_builds_while_the_others_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path))
    built, received = [], []

    def build():
        built.append(1)
        time.sleep(0.3)
        return {"a": torch.arange(3)}

    threads = [threading.Thread(target=lambda: received.append(cached("key", build))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert [tensors["a"].tolist() for tensors in received] == [[0, 1, 2]] * 3
