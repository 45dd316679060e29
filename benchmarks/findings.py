"""Findings on the real cells of 26 breast lines, which the page *Results at a glance* shows in every edition.

The edition is built first, about a quarter of an hour of two cores. Run: python benchmarks/findings.py
"""

from bulk2sc.book import Study, build

if __name__ == "__main__":
    build.build("atlas")
    study = Study("atlas")
    found = study.table("results-at-a-glance", "findings").round(4)
    study.keep("findings", found, reads=["model", "attributions", "panel"])
    print(found.to_string())
