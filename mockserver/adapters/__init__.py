"""What the protocols do differently: a module per protocol that needs code, each defining `ADAPTER`.

`contract.extension.find_adapter` imports the module of a protocol's name; nothing imports one by hand.
"""
