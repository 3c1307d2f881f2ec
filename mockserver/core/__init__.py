"""The pure core: values in, values out. No sockets, files, clocks or randomness live here."""
