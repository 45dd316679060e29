"""Independent pieces of work side by side, each on one thread: their number does not change the results.

Torch splits every operation over its threads, which small ones are not worth; whole pieces are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


def in_threads(work: Callable, items: Iterable) -> Iterator:
    """
    Yield the results of some work on every item, in the order of the items.

    Parameters
    ----------
    work
        Called with one item; must neither draw random numbers nor write where another item's work does.
    items
        At most one more than torch has threads is under way or waits for its turn, so that memory is bounded.
    """
    n_threads, with_gradient = torch.get_num_threads(), torch.is_grad_enabled()
    if n_threads == 1:
        yield from map(work, items)
        return

    def one(item):
        with torch.set_grad_enabled(with_gradient):  # a new thread does not know of it
            return work(item)

    torch.set_num_threads(1)  # new threads take it over
    try:
        with ThreadPoolExecutor(n_threads) as pool:
            waiting = deque()
            for item in items:
                waiting.append(pool.submit(one, item))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        torch.set_num_threads(n_threads)
