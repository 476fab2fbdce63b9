import pytest

from synth.publishing.licences import problem

OPEN = [
    "CC0-1.0",
    "cc-by-4.0",
    "CC BY-SA 3.0",
    "Apache-2.0",
    "MIT",
    "PSF-2.0",
    "odc-by",
    "Public  domain",
    "GPL-3.0-or-later",
]
NOT = {
    "nobody knows": ["", "unknown", "N/A", "other"],
    "forbids": ["All rights reserved", "proprietary", "CC BY-ND 4.0", "cc-by-nc-nd-4.0", "© ACME"],
    "some uses only": ["CC BY-NC-SA 4.0", "cc-by-nc-4.0", "non-commercial", "research only"],
    "not a licence that synth knows": ["llama3", "my own", "mitigated"],
}


@pytest.mark.parametrize("licence", OPEN)
def test_open(licence: str) -> None:
    assert problem(licence) is None


@pytest.mark.parametrize(("why", "licence"), [(why, name) for why, names in NOT.items() for name in names])
def test_a_person_must_say(why: str, licence: str) -> None:
    assert why in (problem(licence) or "")
