"""Add up JUnit reports, and name every test that was skipped without a reason that is allowed.

    python skips.py [--allow PREFIX]... REPORT.xml...

One line a report, one line a skip that nobody allowed, and last the sum; the status is 1 when there is such a skip or
no test at all. An expected failure counts as a skip: it is not a pass either.
"""

import argparse
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def read(report: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the counts of one report, and the name and reason of each skip."""
    counts, skips = {"passed": 0, "failed": 0, "skipped": 0}, []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - written by pytest a moment ago
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif skipped is not None:
            counts["skipped"] += 1
            # pytest writes the reason as it was given, or behind "Skipped: ".
            reason = (skipped.get("message") or "").removeprefix("Skipped: ")
            skips.append((f"{case.get('classname')}::{case.get('name')}", reason))
        else:
            counts["passed"] += 1
    return counts, skips


def line(counts: dict[str, int]) -> str:
    """Say the counts as pytest does."""
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def main() -> int:
    """Print the counts and the skips; 1 when there is one that nobody allowed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--allow", action="append", default=[], metavar="PREFIX")
    parser.add_argument("reports", nargs="+", type=Path)
    given = parser.parse_args()
    total, unexplained = {"passed": 0, "failed": 0, "skipped": 0}, 0
    for report in given.reports:
        counts, skips = read(report)
        sys.stdout.write(f"{report.stem}: {line(counts)}\n")
        for word, number in counts.items():
            total[word] += number
        for name, reason in skips:
            allowed = reason.startswith(tuple(given.allow))
            unexplained += not allowed
            sys.stdout.write(f"  {'skipped' if allowed else 'SKIPPED WITHOUT LEAVE'} {name}: {reason}\n")
    sys.stdout.write(f"{line(total)}\n")
    return 1 if unexplained or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
