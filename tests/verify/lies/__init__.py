"""Lies: servers with one fault each, of every kind that somebody who reads only a summary of a contract would make."""

from tests.verify.lies import batches, manners, objects, odd, patterns, replies, time_and_memory, wire
from tests.verify.lies.lie import Liar, Lie

LIES = [
    *patterns.LIES,
    *objects.LIES,
    *odd.LIES,
    *batches.LIES,
    *wire.LIES,
    *manners.LIES,
    *replies.LIES,
    *time_and_memory.LIES,
]

__all__ = ["LIES", "Liar", "Lie"]
