"""A chart as a file of its own: an SVG with its style, dark on white, as a paper wants it."""

from __future__ import annotations

import base64

from markupsafe import Markup, escape

from report.charts import Chart

# Okabe and Ito's colours, told apart by every kind of colour vision.
STYLE = """
text { font: 11px 'Liberation Sans', Arial, sans-serif; fill: #222; }
.title { font-weight: 700; font-size: 12px; }
.grid { stroke: #ddd; } .axis { stroke: #444; } .bar { fill: #0072b2; }
.mark { stroke: #d55e00; stroke-dasharray: 3 3; }
.marktext { fill: #d55e00; } .line { fill: none; stroke-width: 1.6; }
.error { stroke-width: 1.4; } .point { stroke: #fff; }
.k0 { stroke: #0072b2; } .k0 .point { fill: #0072b2; }
.k1 { stroke: #e69f00; } .k1 .point { fill: #e69f00; }
.k2 { stroke: #cc79a7; } .k2 .point { fill: #cc79a7; }
.k3 { stroke: #009e73; } .k3 .point { fill: #009e73; }
"""
_TITLE = 18  # pixels above the drawing


def svg_uri(drawing: Markup, chart: Chart) -> str:
    """The chart as a data URI, for a link that keeps it as a file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(drawing, chart).encode()).decode()


def svg(drawing: Markup, chart: Chart) -> str:
    """The SVG file. drawing: what the page draws of the chart, its markup."""
    names = "   ".join(series.name for series in chart.series) if len(chart.series) > 1 else ""
    height = chart.height + _TITLE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * chart.width}" height="{2 * height}" '
        f'viewBox="0 {-_TITLE} {chart.width} {height}"><style>{STYLE}</style>'
        f'<rect x="0" y="{-_TITLE}" width="100%" height="100%" fill="#fff"/>'
        f'<text class="title" x="4" y="-4">{escape(chart.title)}</text>'
        f"<desc>{escape(chart.caption)} {escape(names)}</desc>{drawing}</svg>"
    )
