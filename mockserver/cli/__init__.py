"""One module per command, each with a click object named `command`; `mockserver.cli.main` lists them.

A module imports only click and light modules at the top, and everything else inside its functions: all modules are
loaded for `--help` and to check the environment, and a health probe must not wait for the server's imports.
"""
