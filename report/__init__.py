"""The GO / NO-GO review page of a run, and a picture of its stamps.

`write_review(run_dir)` writes one self-contained HTML file from the run's folder; `hero_image(run_dir, png)`
a strip of stamps for the README. Both read only what they show: column projections and a few row groups.
"""

from __future__ import annotations

from report.cost import write_measured
from report.hero import hero_image
from report.review import write_review

__all__ = ["hero_image", "write_measured", "write_review"]
