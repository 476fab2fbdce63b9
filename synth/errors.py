"""What can go wrong, as one tree. Every error says what, where, and how to mend it; the class sets the exit code.

SynthError                    1  anything below, or a bug that names itself
├── ConfigError               2  an unknown key, a wrong value, a template with an unknown variable
├── InputError                3  a corpus, persona library or column that cannot be read
├── ModelError                4  weights, an engine, an encoder or a cluster that cannot be loaded or reached, or has died
├── StoreError                5  a folder that is full, read-only, held by another run, or damaged
│   └── VerifyError           6  counts do not add up, a checksum differs, an id stands twice
├── BudgetError               7  more rows failed than `max_failed` allows: the run stopped, and can be resumed
├── Stopped                   8  ended early by a signal or `--max-time`: all is whole, and can be resumed
└── RefusedError             10  publish: a person must decide, on a licence or on files that are not ours
"""


def install(extra: str) -> str:
    """Say how an extra is installed. By name it would be another project's: `synth` on PyPI is not this one."""
    return f"pip install '.[{extra}]' in a checkout of synth"


class SynthError(Exception):
    """Base of all errors that a user can act on. `fix` is one sentence on what to do."""

    exit_code = 1
    state = "failed"
    """What a scheduler is told: `failed`, `stopped` or `refused`."""

    def __init__(self, what: str, *, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  fix: {self.fix}" if self.fix else self.what


class ConfigError(SynthError):
    exit_code = 2


class InputError(SynthError):
    exit_code = 3


class ModelError(SynthError):
    exit_code = 4


class StoreError(SynthError):
    exit_code = 5


class VerifyError(StoreError):
    exit_code = 6


class BudgetError(SynthError):
    exit_code = 7


class Stopped(SynthError):
    exit_code = 8
    state = "stopped"


class RefusedError(SynthError):
    exit_code = 10
    state = "refused"
