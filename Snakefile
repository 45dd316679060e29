# One rule for each step and chapter that is not in the store: whatever times files bear, its address says what it is.
# `bulk2sc book` calls this file and renders the pages; with an executor plugin it runs on a cluster as well:
# snakemake --cores 2 --config edition=smoke
import os

from bulk2sc.book.notebook import KERNEL_ENVIRONMENT
from bulk2sc.book.plan import plan
from bulk2sc.book.run import jobs

book = plan(config.get("edition", "demo"))
budgets = book.edition.budgets
missing = jobs([chapter.run for chapter in book.chapters])
# With chapters enough, each has one core: processes that start, and figures that are drawn, wait for nobody.
share = max(1, workflow.cores // max(1, sum(job.parallel for job in missing)))
os.environ.update(KERNEL_ENVIRONMENT)


workdir: str(book.build)


rule all:
    input:
        [ancient(job.output) for job in missing],


for job in missing:

    rule:
        name:
            job.name
        input:
            [ancient(path) for path in job.inputs],
        output:
            update(job.output),
        threads: share if job.parallel else 1
        # What others wait for goes first, then what takes long: a long chapter that starts last would run alone.
        priority: budgets.get(job.name, 1 + max(budgets.values(), default=0))
        params:
            command=job.command,
        shell:
            "BULK2SC_JOBS={threads} {params.command:q}"
