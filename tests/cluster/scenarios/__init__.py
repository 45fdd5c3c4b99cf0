"""The scenarios. Each file of this directory is one; a new file is found by itself.

A module has a function `run(cluster, check)`, or `run(cluster, check, part)` and a function `parts()` that returns the names of its parts.
A function `prepare()` runs before the cluster is entered. Scenarios with `INDEPENDENT = True`, and parts for which a function
`is_independent(part)` returns true, run beside each other. `LONG = True` keeps a scenario out of runs without `--long`; `--only` runs
it all the same. `LAST = True` runs it after all others.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType


@dataclass
class Scenario:
    module: ModuleType
    part: str | None = None

    @property
    def name(self):
        name = self.module.__name__.rpartition(".")[2]
        return f"{name}/{self.part}" if self.part else name

    # The checks take the name of the suite from here.
    __name__ = name

    @property
    def is_long(self):
        return getattr(self.module, "LONG", False)

    @property
    def is_independent(self):
        if self.part is None:
            return getattr(self.module, "INDEPENDENT", False)
        return self.module.is_independent(self.part)

    def run(self, cluster, check):
        arguments = [self.part] if self.part else []
        self.module.run(cluster, check, *arguments)


def find():
    """Returns all scenarios in the order in which they run."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    modules.sort(key=lambda module: (getattr(module, "LAST", False), module.__name__))
    return [
        Scenario(module, part) for module in modules for part in (module.parts() if hasattr(module, "parts") else [None])
    ]


def choose(only, long):
    """Returns the scenarios of a run."""
    found = find()
    if only is None:
        return [scenario for scenario in found if long or not scenario.is_long]
    chosen = [scenario for scenario in found if only in (scenario.name, scenario.name.partition("/")[0])]
    if not chosen:
        raise SystemExit(f"cluster: no scenario {only}; `--list` names them")
    return chosen
