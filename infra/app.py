"""Entry of the CDK app: `cdk synth`, or `python -m infra.app` where there is no CDK command line.

Needs no credentials, no Docker and no system Node. The cloud assembly goes to CDK_OUTDIR, or to cdk.out/.
"""

from __future__ import annotations

import json
import os
from typing import Any

from infra import _node  # noqa: F401  (before aws_cdk)
from infra.paths import ROOT
from infra.settings import Settings
from infra.stack import DarkHaloScopeStack

# isort: split
import aws_cdk as cdk

STACK_NAME = "DarkHaloScope"


def context() -> dict[str, Any]:
    """The feature flags of cdk.json, which only the CDK command line would read."""
    return dict(json.loads((ROOT / "cdk.json").read_text())["context"])


def build(settings: Settings | None = None, outdir: str | None = None) -> cdk.App:
    """The app with its one stack: environment-agnostic, the account and Region come with the credentials."""
    settings = settings or Settings()
    app = cdk.App(outdir=outdir, context=context(), analytics_reporting=False)
    stack = DarkHaloScopeStack(
        app,
        STACK_NAME,
        settings=settings,
        description="Dark Halo Scope: strong-lens injections with a GO / NO-GO gate",
        termination_protection=settings.environment.termination_protection,
    )
    for key, value in settings.environment.tags.items():
        cdk.Tags.of(stack).add(key, value)
    return app


if __name__ == "__main__":
    build(outdir=os.environ.get("CDK_OUTDIR", str(ROOT / "cdk.out"))).synth()
