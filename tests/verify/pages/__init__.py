"""Servers written from the pages that the project was started from, and from nothing else.

Nothing of the product is imported here: not its contracts, its engines or its words for things. What a page does not
say is one of the `Silent` choices, so that one page gives several servers that are all right.
"""
