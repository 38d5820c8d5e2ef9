"""One progress style everywhere: tqdm's bar in a terminal, its line once in a while in a log or a notebook."""

import sys

from tqdm import tqdm

EVERY = 5.0  # seconds between the lines of a log


class _Lines(tqdm):
    """A bar that is printed as whole lines, as a log keeps every character that it is sent."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        print(msg or str(self), flush=True)
        return True


def progress_bar(total: int | None, label: str, unit: str = "it", initial: int = 0) -> tqdm:
    """A tqdm bar over ``total`` things called ``unit``, of which ``initial`` were done before; speed leaves those out.

    To be closed, or used in a ``with`` block. It prints to standard output.
    """
    look = {"total": total, "desc": label, "unit": f" {unit}", "initial": initial, "file": sys.stdout}
    if sys.stdout.isatty():
        return tqdm(**look)
    return _Lines(**look, mininterval=EVERY, maxinterval=EVERY, miniters=1, ascii=True, ncols=110, delay=1e-9)
