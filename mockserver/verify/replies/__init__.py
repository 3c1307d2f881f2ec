"""The checks of a reply: what it must be, its body and headers, and who states each part of it."""
