"""What this cloud does not do. The CLI prints it once: a green run should not be taken for more."""

NOT_EMULATED: tuple[str, ...] = (
    "IAM: every call is allowed; a missing permission shows only on AWS",
    "bucket policies, TLS and encryption: accepted, not enforced",
    "VPC, subnets, security groups and endpoints: recorded; tasks have this machine's network",
    "CPU and memory limits, Spot interruptions and launch rates: tasks are plain processes",
    "container images: a task runs in its build context with this Python; of the Dockerfile only ENTRYPOINT "
    "and CMD are read (no ENV, RUN, user, volumes or read-only root), and a module that the image lacks may "
    "be found in this checkout",
    "Lambda layers, runtime version and memory: the packages of this Python serve",
    "S3 lifecycle, versioning, replication and access logs",
    "Athena and Step Functions prices and quotas (the bytes cut-off, payload and history limits do hold)",
    "concurrency of a Map above this machine's task slots",
    "executions of earlier sessions: only S3 objects are kept, so a name may be used again",
    "alarms, budgets and dashboards: accepted, never fire",
)
