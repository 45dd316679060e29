# One rule per chapter of an edition, and one for its pages. `bulk2sc book` calls this file; so can
# `snakemake --cores 2 --config edition=smoke`, with an executor plugin for a cluster if you like.
import sys

from bulk2sc import pages
from bulk2sc.plan import plan
from bulk2sc.workflow import write_states

book = plan(config.get("edition", "demo"))
step = [sys.executable, "-m", "bulk2sc.workflow", book.edition.name]
write_states(book)


workdir: str(book.build)


rule all:
    input:
        pages.STATE,


for chapter in book.chapters:

    rule:
        name:
            chapter.slug
        input:
            book.inputs(chapter),
        output:
            f"{chapter.file}.ipynb",
        params:
            command=[*step, chapter.slug],
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
