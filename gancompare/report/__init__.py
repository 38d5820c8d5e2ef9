"""The report room: an executed notebook enters, one offline HTML page leaves.

``build.build_report`` executes the notebook that reads a study or a sweep and hands it to ``page.render_html``. The
notebooks draw with ``figures`` (one module per family of figures, all in the style of ``style``), place figures on the
page with ``show`` and write tables with ``tables``. Start reading at ``build``; for a figure, at its module.
"""
