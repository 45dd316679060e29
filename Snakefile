# One rule per chapter of an edition, and one for its pages. `bulk2sc book` calls this file; so can
# `snakemake --cores 2 --config edition=smoke`, with an executor plugin for a cluster if you like.
import sys

from bulk2sc.workflow import PAGES_STATE, plan, write_states

edition = plan(config.get("edition", "demo"))
write_states(edition)


workdir: str(edition.build)


rule book:
    input:
        PAGES_STATE,


for chapter in edition.chapters:

    rule:
        name:
            chapter.slug
        input:
            edition.inputs(chapter),
        output:
            f"{chapter.file}.ipynb",
        params:
            command=[sys.executable, "-m", "bulk2sc.workflow", edition.edition.name, chapter.slug],
        shell:
            "{params.command:q}"


rule pages:
    input:
        edition.page_inputs(),
    output:
        PAGES_STATE,
    params:
        command=[sys.executable, "-m", "bulk2sc.workflow", edition.edition.name, "pages"],
    shell:
        "{params.command:q}"
