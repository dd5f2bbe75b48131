"""`darkhalo`: parse, call, and turn every ending into the documented exit code.

0 done or GO; 3 NO-GO; 2 bad input, one line on stderr; 1 anything else. With --json one JSON object on
stdout, everything else on stderr.
"""

from __future__ import annotations

import sys

import click

from cli import exits
from cli.query import query
from cli.run import plan, run
from cli.sky import sky
from cli.validate import report, select, validate
from local_cloud.errors import CloudRunningError, DeployError, SynthesisError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="dark-halo-scope")
def darkhalo() -> None:
    """Inject simulated strong lenses into the DESI Legacy Survey, and judge the result: GO or NO-GO.

    Exit codes: 0 done or GO, 3 NO-GO, 2 bad input, 1 anything else.
    """


for command in (run, plan, sky, validate, select, report, query):
    darkhalo.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    try:
        code = darkhalo.main(args=arguments, prog_name="darkhalo", standalone_mode=False)
    except click.ClickException as error:
        print(f"darkhalo: {' '.join(error.format_message().split())}", file=sys.stderr)
        code = exits.BAD_INPUT
    except click.Abort:
        print("darkhalo: stopped", file=sys.stderr)
        code = exits.FAILED
    except exits.bad_input_errors() as error:
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.BAD_INPUT
    except (exits.ExecutionFailedError, DeployError, SynthesisError, CloudRunningError) as error:
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.FAILED
    sys.exit(code if isinstance(code, int) else exits.DONE)


if __name__ == "__main__":
    main()
