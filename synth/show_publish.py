"""What publishing did, in lines for a person."""

from synth.publishing import Outcome
from synth.visible import visible


def render(found: Outcome, licence: str | None) -> str:
    lines = [f"{verb:8}{name}" for verb, names in _verbs(found) for name in names]
    if found.unchanged:
        lines.append(f"{found.unchanged:,} files are there as they are here")
    if licence is None:
        lines.append("the card says that the dataset's licence is unknown: state it as `publish.licence`")
    rows = f"{found.rows:,} rows, dataset {found.dataset[:12]}"
    lines.append(
        {
            "done": f"Published: {found.at} ({rows})",
            "nothing_new": f"Nothing to do: {found.to} has it ({rows})",
        }.get(found.state, f"Dry run: nothing was sent to {found.to} ({rows})")
    )
    return visible("\n".join(lines))


def _verbs(found: Outcome) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("make", found.make), ("add", found.add), ("change", found.change), ("remove", found.remove)
