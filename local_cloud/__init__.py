"""The embedded default: the synthesized template, unmodified, run on this machine.

    with LocalCloud(synthesize(repo_root, out), "Stack", storage) as cloud:
        cloud.client("stepfunctions").start_execution(...)

Tasks are processes, Lambdas run their handlers, Athena runs the SQL, S3 objects are files. What is not
emulated is listed in `cloud.not_emulated`.
"""

from typing import TYPE_CHECKING, Any

from local_cloud.errors import CloudRunningError, DeployError, SynthesisError

if TYPE_CHECKING:
    from local_cloud.cloud import LocalCloud
    from local_cloud.synth import synthesize

__all__ = ["CloudRunningError", "DeployError", "LocalCloud", "SynthesisError", "synthesize"]


def __getattr__(name: str) -> Any:
    """Import on use: moto takes seconds, and `local_cloud.states` does not need it."""
    if name == "LocalCloud":
        from local_cloud.cloud import LocalCloud

        return LocalCloud
    if name == "synthesize":
        from local_cloud.synth import synthesize

        return synthesize
    raise AttributeError(name)
