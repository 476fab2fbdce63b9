"""The sections of the report, a file each: what was seen of a run, as figures. `section` of one without data returns null, or
says so in a sentence: nothing is drawn empty."""

from synth.report.figure import Section
from synth.report.sections import duplicates, fates, languages, lengths, mix, negatives, similarity, times
from synth.report.seen import Seen

ORDER = (fates, mix, languages, similarity, lengths, duplicates, negatives, times)


def sections(seen: Seen) -> list[Section]:
    return [section for module in ORDER if (section := module.section(seen))]
