# SPDX-License-Identifier: Apache-2.0
"""Burns in leaf(), called by main() through all of the functions between, for so many milliseconds."""
import sys
import time


def leaf(count):
    total = 0
    for i in range(count):
        total += i * i % 7
    return total


def inner_work(count):
    return leaf(count) + 1


def middle(count):
    return inner_work(count) + 1


def outer(count):
    return middle(count) + 1


def main(milliseconds):
    wanted = milliseconds / 1000
    end = time.monotonic() + wanted
    # As burn_leaf() of chain.h: on a busy machine it goes on until it has had some of the time itself.
    while time.monotonic() < end or time.thread_time() < wanted / 5:
        outer(20000)


main(int(sys.argv[1]))
