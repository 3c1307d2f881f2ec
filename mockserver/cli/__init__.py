"""One module per command, each with a click object named `command`; `mockserver.cli.main` lists them.

A module imports click and what is as light at its top, and everything else inside its functions: the modules of other
commands are loaded for `--help` and to check the environment, and a health probe must not pay for a server.
"""
