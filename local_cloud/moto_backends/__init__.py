"""moto's backends with the parts that matter made real.

moto makes a boto3 session while it is imported, which reads the user's configuration and fails on an
AWS_PROFILE that is not there: it is imported here first, without any of that.
"""

from local_cloud.environment import aws_variables, only

with only(aws_variables("http://127.0.0.1", "us-east-1")):
    import moto.cloudformation.models  # noqa: F401 - imports every service
