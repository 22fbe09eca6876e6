from random import Random

import pytest

from octoffm_async.cli.demo.demo import Accounting, exit_code_of_demo
from octoffm_async.cli.demo.input import UNKNOWN_PRODUCT, MadeUpProducts, Sample, is_wrong, made_up_orders
from octoffm_async.cli.errors import ExitCode
from octoffm_async.cli.progress import StepResult
from octoffm_async.contract.requests.validation import outbound_problems, product_problems

GOOD = {
    "register": {"created": 10, "rejected": 2},
    "lookup": {"found": 10},
    "ship": {"created": 5},
    "follow": {"shipped": 4, "refused": 1},
}


def judge(total: int = 12, **changes: dict[str, int]) -> ExitCode:
    counts = GOOD | changes
    results = [
        StepResult(step=step, counts=count, calls=0, throttled=0, retries=0, seconds=0)
        for step, count in counts.items()
    ]
    return exit_code_of_demo(results, Accounting(total=total, sent=10, reported=2), wrong_orders=1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ExitCode.DONE),
        ({"total": 13}, ExitCode.REFUSED),
        ({"lookup": {"found": 9, "missing": 1}}, ExitCode.REFUSED),
        ({"lookup": {"found": 10, "missing": 1}}, ExitCode.DONE),
        ({"ship": {"created": 4, "failed": 1}}, ExitCode.REFUSED),
        ({"ship": {"created": 4, "refused": 1}}, ExitCode.REFUSED),
        ({"ship": {"created": 4, "unknown": 1}}, ExitCode.UNDECIDED),
        ({"follow": {"shipped": 3, "refused": 2}}, ExitCode.REFUSED),
        ({"follow": {"shipped": 3, "refused": 1, "open": 1}}, ExitCode.UNDECIDED),
    ],
)
def test_only_what_was_meant_is_done(changes, code):
    assert judge(**changes) is code


def test_accounting_says_whether_it_adds_up():
    assert str(Accounting(total=20_000, sent=19_744, reported=256)) == "19,744 sent + 256 reported = 20,000"
    assert str(Accounting(total=3, sent=1, reported=1)) == "1 sent + 1 reported != 3"


def test_made_up_products_can_be_sent_and_come_again():
    source = MadeUpProducts(50, seed=3)
    products = list(source.products())
    assert not any(product_problems(product, assumed=True) for product in products)
    assert list(source.products()) == products
    assert list(source.references()) == [product.seller_product_reference for product in products]
    assert (source.rows, source.share) == (50, 1.0)


def test_made_up_orders_can_be_sent_and_one_in_fifty_is_wrong():
    orders = list(made_up_orders(200, ["A", "B", "C", "D"], Random(1)))
    assert not any(outbound_problems(order, assumed=True) for order in orders)
    wrong = [o for o in orders if any(line.seller_product_reference == UNKNOWN_PRODUCT for line in o.lines)]
    assert [order.reference for order in wrong] == ["DEMO-000050", "DEMO-000100", "DEMO-000150", "DEMO-000200"]


@pytest.mark.parametrize(("count", "wrong"), [(0, 0), (1, 1), (49, 1), (50, 1), (99, 1), (100, 2)])
def test_some_orders_are_always_wrong(count, wrong):
    assert sum(is_wrong(number, count) for number in range(1, count + 1)) == wrong


def test_a_sample_is_bounded_and_even():
    sample = Sample(100, Random(5))
    for number in range(10_000):
        sample.add(str(number))
    numbers = [int(key) for key in sample.keys]
    assert len(set(numbers)) == 100
    assert 4000 < sum(numbers) / 100 < 6000
