"""Markdown as nbconvert renders it, except that equations become MathML, which needs neither script nor network."""

import html


def render_markdown(source: str, attachments: dict | None, folder: str) -> str:
    """Markdown → HTML; ``attachments`` are the cell's, pictures with relative names are embedded from ``folder``.

    nbconvert takes the dollars of `$5 and $6`, and some in code, for formulas. As in pandoc, an inline formula here
    neither starts nor ends with a space, is not followed by a digit, and contains no code.
    """
    from nbconvert.filters import markdown_mistune as nb

    class Inline(nb.MathInlineParser):
        formula = r"(?<![$\\])\$(?P<math_inline_tex>(?![\s$])(?:\\.|(?!\n\s*\n)[^$`\\])+(?<!\s))\$(?![\d$])"
        SPECIFICATION = nb.MathInlineParser.SPECIFICATION | {"inline_math_tex": formula}

    class Block(nb.MathBlockParser):  # only at the start of a line: not inside a code span
        formula = r"^ {0,3}(?s:\$\$.+?\$\$|\\begin\{(?P<math_env_name>[a-z]+\*?)\}.*?\\end\{(?P=math_env_name)\})"
        SPECIFICATION = nb.MathBlockParser.SPECIFICATION | {"multiline_math": formula}

    class Renderer(nb.IPythonRenderer):
        def inline_math(self, body):
            return mathml(body, "inline")

        def block_math(self, body):
            return f'<span class="display">{mathml(body, "block")}</span>'

        def latex_environment(self, name, body):
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    options = {"attachments": attachments, "embed_images": True, "path": folder, "exclude_anchor_links": True}
    return nb.MarkdownWithMath(Renderer(escape=False, **options), Block(), Inline()).render(source)


def mathml(tex: str, display: str) -> str:
    """A formula as MathML, or as readable source if latex2mathml cannot convert it."""
    from latex2mathml.converter import convert

    try:  # latex2mathml knows align*, not aligned
        mathml = convert(tex.strip().replace("{aligned}", "{align*}"), display=display)
    except Exception:  # IndexError and others besides its own errors; one formula must not cost the whole report
        mathml = "\\"
    # commands and alignments that it does not know come back unchanged
    return f"<code>{html.escape(tex.strip())}</code>" if "\\" in mathml or "<mi>&</mi>" in mathml else mathml
