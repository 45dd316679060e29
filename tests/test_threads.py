import threading
import time

import pytest
import torch

from bulk2sc.clustering.threads import in_threads


@pytest.mark.parametrize("n", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(threads, n):
    def slow_at_first(item):
        time.sleep(0.02 if item == 0 else 0)
        return item**2

    assert threads(n, lambda: list(in_threads(slow_at_first, range(7)))) == [0, 1, 4, 9, 16, 25, 36]
    assert list(in_threads(slow_at_first, [])) == []


def test_as_many_work_at_once_as_torch_has_threads_and_each_alone(threads):
    together = threading.Barrier(2)

    def meet(_):
        together.wait(timeout=10)  # for the other: an error if there is none
        return torch.get_num_threads()

    def found():
        return list(in_threads(meet, range(4))), torch.get_num_threads()

    assert threads(2, found) == ([1, 1, 1, 1], 2)


def test_no_more_is_begun_than_there_is_memory_for(threads):
    begun = []
    results = threads(2, lambda: next(in_threads(begun.append, iter(range(100)))))
    assert results is None and len(begun) <= 3


@pytest.mark.parametrize("n", [1, 2])
def test_gradients_are_taken_only_where_the_caller_takes_them(threads, n):
    weight = torch.ones(1, requires_grad=True)

    def needs_gradient():
        return [result.requires_grad for result in in_threads(lambda item: item * weight, range(3))]

    assert threads(n, needs_gradient) == [True] * 3
    with torch.no_grad():
        assert threads(n, needs_gradient) == [False] * 3


def test_an_error_arrives_and_torch_keeps_its_threads(threads):
    def failing():
        with pytest.raises(ZeroDivisionError):
            list(in_threads(lambda item: 1 / item, [1, 0, 2]))
        return torch.get_num_threads()

    assert threads(2, failing) == 2
