import time

import pytest

from bulk2sc.clustering.threads import in_threads


@pytest.mark.parametrize("n", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(threads, n):
    def slow_at_first(item):
        time.sleep(0.02 if item == 0 else 0)
        return item**2

    assert threads(n, lambda: list(in_threads(slow_at_first, range(7)))) == [0, 1, 4, 9, 16, 25, 36]
    assert list(in_threads(slow_at_first, [])) == []
