"""`darkhalo`: parse, call, and turn every ending into the documented exit code.

0 done or GO; 3 NO-GO; 2 bad input, one line on stderr; 1 anything else. With --json one JSON object on
stdout, everything else on stderr.
"""

from __future__ import annotations

import os
import sys

import click

from cli import exits
from cli.cache import cache
from cli.estimate import estimate
from cli.hosts import hosts
from cli.plan import plan
from cli.query import query
from cli.run import run
from cli.sky import sky
from cli.validate import report, select, validate
from local_cloud.errors import CloudRunningError, DeployError, SynthesisError
from survey.errors import TransientError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="dark-halo-scope")
def darkhalo() -> None:
    """Inject simulated strong lenses into the DESI Legacy Survey, and judge the result: GO or NO-GO.

    Exit codes: 0 done or GO, 3 NO-GO, 2 bad input, 1 anything else.
    """


for command in (run, plan, estimate, hosts, cache, sky, validate, select, report, query):
    darkhalo.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    try:
        code = darkhalo.main(args=arguments, prog_name="darkhalo", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help() if error.ctx else error.format_message(), file=sys.stderr)
        code = exits.BAD_INPUT
    except click.ClickException as error:
        print(f"darkhalo: {' '.join(error.format_message().split())}", file=sys.stderr)
        code = exits.BAD_INPUT
    except click.Abort:
        print("darkhalo: stopped", file=sys.stderr)
        code = exits.FAILED
    except exits.bad_input_errors() as error:
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.BAD_INPUT
    except BrokenPipeError:  # `darkhalo query ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.FAILED
    except OSError as error:
        if error.filename is None:
            raise
        print(f"darkhalo: {error.filename}: {error.strerror}; give another folder", file=sys.stderr)
        code = exits.BAD_INPUT
    except CloudRunningError:
        print("darkhalo: another run uses this workspace; wait for it, or give --workspace", file=sys.stderr)
        code = exits.FAILED
    except (exits.ExecutionFailedError, DeployError, SynthesisError, TransientError) as error:
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.FAILED
    sys.exit(code if isinstance(code, int) else exits.DONE)


if __name__ == "__main__":
    main()
