"""Scenarios: functions that take a stage and a report, with the promise as their docstring."""

import tempfile
import time
import traceback
from pathlib import Path

from stage.report import Report, Skipped
from stage.stage import Stage
from support.checks import CheckFailed


def scenario(function=None, *, short=True, alone=False):
    """Marks a function as a scenario.

    `short`: the scenario is part of the short suite. `alone`: it runs while no other scenario runs, because it measures time
    or fills a resource of the machine.
    """

    def mark(function):
        function.short, function.alone, function.is_scenario = short, alone, True
        return function

    return mark(function) if function else mark


def scenarios_of(module):
    """Returns the scenarios of a module, in the order of the file."""
    return [value for value in vars(module).values() if getattr(value, "is_scenario", False) and value.__module__ == module.__name__]


def full_name(function):
    """Returns `module.function` of a scenario."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def run(function, attack):
    """Runs a scenario with its own stage, prints its line and returns its report."""
    report = Report(full_name(function), function.__doc__.strip().splitlines()[0])
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stage-", dir=attack.scratch, ignore_cleanup_errors=True) as scratch:
        try:
            with Stage(attack, report.name, Path(scratch)) as stage:
                function(stage, report)
        except Skipped as reason:
            report.skipped = str(reason)
        except CheckFailed as failure:
            report.fail(failure)
        except Exception:
            report.fail(traceback.format_exc())
    report.duration = time.monotonic() - started
    report.print()
    return report
