"""A figure with its caption and its description, embedded in the page so that no file stands beside it."""

import base64
import io

from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

FIGURE = Markup(
    '<figure><img src="data:image/{kind};base64,{data}" alt="{alt}" style="width:{width}px;max-width:100%">'
    "<figcaption>{caption}</figcaption></figure>"
)
CODE = Markup("<details><summary>{title}</summary><pre><code>{source}</code></pre></details>")
NOT_MEASURED = Markup('<p style="max-width:46rem">Not measured in these runs: {alt}</p>')


def show(figure: Figure | Image.Image | None, caption: str, alt: str = "", *, photo: bool = False) -> None:
    """Display ``figure_html`` in a notebook."""
    from IPython.display import HTML, display

    display(HTML(figure_html(figure, caption, alt, photo=photo)))


def figure_html(figure: Figure | Image.Image | None, caption: str, alt: str = "", *, photo: bool = False) -> str:
    """A ``<figure>`` that holds the picture; for None, a sentence saying that nothing was measured.

    ``alt`` describes the picture in words; without it, the caption does. Drawings become PNG. Images, and figures
    that are a ``photo`` (a sheet of samples), become JPEG, which is far smaller.
    """
    if figure is None:
        return str(NOT_MEASURED.format(alt=alt or caption))
    buffer = io.BytesIO()
    if isinstance(figure, Image.Image):
        kind, width = "jpeg", figure.width
        figure.convert("RGB").save(buffer, format="JPEG", quality=90)
    else:
        kind, width = "jpeg" if photo else "png", int(figure.get_figwidth() * 100)
        figure.savefig(buffer, format=kind, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    return str(FIGURE.format(kind=kind, data=data, alt=alt or caption, width=width, caption=caption))


def folded_code(title: str, source: str) -> str:
    """A ``<details>`` that holds source code; as HTML, because nbconvert closes a ``<details>`` in Markdown at once."""
    return str(CODE.format(title=title, source=source))
