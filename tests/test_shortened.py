"""What an edition says it has less of than another."""

import pytest
import small_book

from bulk2sc import plan, shortened


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a small book whose edition `large` has more of two things and less of another."""
    monkeypatch.setenv("BULK2SC_ROOT", str(tmp_path))
    small_book.write_book(tmp_path)
    more = {"max_epochs": 400, "n_cells": 900, "drug": "Cisplatin"}
    more = small_book.SMALL["parameters"] | more
    small_book.write_edition(
        tmp_path, "large", parameters=more, chapter_parameters={"gamma": {"divide_by": 8}}
    )
    small_book.write_edition(tmp_path, full="large", chapter_parameters={"gamma": {"divide_by": 5}})
    return tmp_path


def test_numbers_that_are_smaller_are_told(root):
    said = shortened.shortened(plan.plan("small"))
    assert said == {
        "gamma": ":::{admonition} Shorter here than in edition `large`\n:class: note\n\n"
        "Its numbers stand in brackets: `divide_by` 5 (8).\n:::"
    }


def test_lists_are_told_by_the_number_of_their_values():
    here = {"seeds": [0, 1], "drug": "A", "n": 3, "flag": False, "same": [1, 2]}
    there = {"seeds": [0, 1, 2], "drug": "B", "n": 2, "flag": True, "same": [3, 4]}
    assert shortened._less(here, there) == {"seeds": (2, 3)}


def test_no_limit_on_genes_is_more_than_any_and_a_higher_bound_is_less():
    here = {"panel_hvg": 1500, "n_hvg": 0, "panel_min_total": 850, "panel_min_lines": 3}
    there = {"panel_hvg": 0, "n_hvg": 2500, "panel_min_total": 400, "panel_min_lines": 4}
    assert shortened._less(here, there) == {"panel_hvg": (1500, 0), "panel_min_total": (850, 400)}
    assert "`panel_hvg` 1500 (all), `panel_min_total` 850 (400)." in shortened._sentence(
        shortened._less(here, there), "full"
    )
