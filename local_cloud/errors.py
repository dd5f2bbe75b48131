"""What a caller of this room may have to tell its user."""


class DeployError(RuntimeError):
    """The stack could not be created; the message says which resource and why."""


class SynthesisError(RuntimeError):
    """The CDK app failed; the message holds the end of what it said."""


class CloudRunningError(RuntimeError):
    """A second cloud in this process, or on this storage, would spoil the first."""
