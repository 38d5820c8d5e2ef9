"""One progress style everywhere: tqdm's bar in a terminal, its line once in a while in a log or a notebook."""

import io
import sys

from tqdm import tqdm

EVERY = 5.0  # seconds between the lines of a log


class _Lines(tqdm):
    """A bar that is printed as whole lines, each once, as a log keeps every character that it is sent."""

    shown: int | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        if self.n != self.shown:
            self.shown = self.n
            print(str(self), flush=True)
        return True


def progress_bar(total: int | None, label: str, unit: str = "it", initial: int = 0) -> tqdm:
    """A tqdm bar over ``total`` things called ``unit``, of which ``initial`` were done before; speed leaves those out.

    To be closed, or used in a ``with`` block. It prints to standard output.
    """
    look = {"total": total, "desc": label, "unit": f" {unit}", "initial": initial}
    if sys.stdout.isatty():
        return tqdm(**look, file=sys.stdout)
    often = {"mininterval": EVERY, "maxinterval": EVERY, "miniters": 1, "delay": 1e-9}
    # what is written around the lines, a bar's line feeds, goes nowhere
    return _Lines(**look, **often, ascii=True, ncols=110, file=io.StringIO())
