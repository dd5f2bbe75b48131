"""`darkhalo`: parse, call, and turn every ending into the documented exit code.

0 done or GO; 3 NO-GO; 2 bad input, one line on stderr; 1 anything else. With --json one JSON object on
stdout, everything else on stderr.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

import click

from cli import disk, exits
from cli.cache import cache
from cli.estimate import estimate
from cli.hosts import hosts
from cli.plan import plan
from cli.query import query
from cli.run import run
from cli.runs import open_review, runs
from cli.sky import sky
from cli.validate import report, select, validate
from local_cloud.errors import CloudRunningError, DeployError, SynthesisError
from pipeline.errors import GateError
from survey.errors import TransientError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="dark-halo-scope")
def darkhalo() -> None:
    """Inject simulated strong lenses into the DESI Legacy Survey, and judge the result: GO or NO-GO.

    Exit codes: 0 done or GO, 3 NO-GO, 2 bad input, 1 anything else.
    """


def _disk_told(command: click.Command) -> click.Command:
    """The command, whose trouble with its disk is told with the folder that it writes to."""
    inner: Any = command.callback

    @functools.wraps(inner)
    def callback(*args: Any, **given: Any) -> Any:
        try:
            return inner(*args, **given)
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename is None and error.errno not in disk.FULL:
                raise
            folders = [given[name] for name in _FOLDERS if given.get(name) is not None]
            raise exits.DiskError(disk.told(error, folders[0] if folders else Path.cwd())) from error

    command.callback = callback
    return command


_FOLDERS = ("workspace", "folder", "out")  # parameters that name where a command writes
for command in (run, runs, open_review, plan, estimate, hosts, cache, sky, validate, select, report, query):
    darkhalo.add_command(_disk_told(command))


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = darkhalo.main(args=words, prog_name="darkhalo", standalone_mode=False, obj=tuple(words))
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help() if error.ctx else error.format_message(), file=sys.stderr)
        code = exits.BAD_INPUT
    except click.ClickException as error:
        print(f"darkhalo: {' '.join(error.format_message().split())}", file=sys.stderr)
        code = exits.BAD_INPUT
    except click.Abort:
        print("darkhalo: stopped", file=sys.stderr)
        code = exits.FAILED
    except BrokenPipeError:  # `darkhalo query ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.FAILED
    except exits.bad_input_errors() as error:
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.BAD_INPUT
    except (
        exits.ExecutionFailedError, exits.BusyError, CloudRunningError, DeployError, GateError,
        SynthesisError, TransientError,
    ) as error:  # fmt: skip
        print(f"darkhalo: {error}", file=sys.stderr)
        code = exits.FAILED
    sys.exit(code if isinstance(code, int) else exits.DONE)


if __name__ == "__main__":
    main()
