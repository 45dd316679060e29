# One rule per chapter of an edition, some for the parts of what a chapter makes part by part (seeds, methods, data
# sets or drugs), one for what such parts and other chapters wait for, and one for the pages. What others wait for
# goes first, then chapters with large budgets: a long one that starts last would run alone. `bulk2sc book` calls
# this file; so can `snakemake --cores 2 --config edition=smoke`, with an executor plugin for a cluster if you like.
import os
import sys

from bulk2sc import pages
from bulk2sc.artefacts import part_name
from bulk2sc.book.run import jobs
from bulk2sc.notebook import KERNEL_ENVIRONMENT
from bulk2sc.plan import NEEDS, plan
from bulk2sc.workflow import write_states

book = plan(config.get("edition", "demo"))
budgets = book.edition.budgets
step = [sys.executable, "-m", "bulk2sc.workflow", book.edition.name]
write_states(book)
os.environ.update(KERNEL_ENVIRONMENT)  # one thread a job: jobs run in parallel


workdir: str(book.build)


rule all:
    input:
        pages.STATE,


# New form: what lies in the store has no rule; whatever times files bear, its address says what it is.
for job in jobs([chapter.run for chapter in book.chapters if chapter.run]):

    rule:
        name:
            job.name
        input:
            [ancient(path) for path in job.inputs],
        output:
            update(job.output),
        threads: workflow.cores if job.parallel else 1
        priority: budgets.get(job.name, 0)
        params:
            command=job.command,
        shell:
            "BULK2SC_JOBS={threads} {params.command:q}"


for chapter in [chapter for chapter in book.chapters if not chapter.run]:

    rule:
        name:
            chapter.slug
        input:
            book.inputs(chapter),
        output:
            f"{chapter.file}.ipynb",
        priority: budgets.get(chapter.slug, 0)
        params:
            command=[*step, chapter.slug],
        shell:
            "{params.command:q}"


    if chapter.shared:

        rule:
            name:
                f"{chapter.slug}_{NEEDS}"
            input:
                book.before(chapter),
            output:
                book.needs_marker(chapter),
            priority: 1 + max(budgets.values(), default=0)
            params:
                command=[*step, chapter.slug, NEEDS],
            shell:
                "{params.command:q}"


    for artefact, parts in book.batches(chapter, config.get("batches")):

        rule:
            name:
                f"{chapter.slug}_{artefact}_{part_name(parts[0])}"
            input:
                book.before(chapter),
                book.needs_marker(chapter),
            output:
                [book.marker(chapter, artefact, part) for part in parts],
            priority: budgets.get(chapter.slug, 0)
            params:
                command=[*step, chapter.slug, artefact, *map(str, parts)],
            shell:
                "{params.command:q}"


rule pages:
    input:
        pages.inputs(book),
    output:
        pages.STATE,
    params:
        command=[*step, "pages"],
    shell:
        "{params.command:q}"
