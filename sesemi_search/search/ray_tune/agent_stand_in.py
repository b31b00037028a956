"""Takes the place of an agent of Ray's: says that there is no such service, and lives as long as its node.

A node does not start before its two agents (metrics and dashboard, environments of tasks) have written their ports, and
ends when one of them does. They import Ray, half a second of CPU each, for services that a search on one machine does
not use, and outlive a killed node by half a minute. This is run as a file, by a Python without site packages:

    python -I -S agent_stand_in.py NAME=PORT... --node-id=ID --session-dir=DIR ...
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Writes a port to the file of each name, where the node looks for it, and waits for the node's end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        return
    values = dict(argument.lstrip("-").split("=", 1) for argument in arguments if "=" in argument)
    for name in [argument.split("=", 1)[0] for argument in arguments if not argument.startswith("-")]:
        path = os.path.join(values["session-dir"], f"{name}_{values['node-id']}")  # noqa: PTH118
        with open(f"{path}.new", "w") as file:  # noqa: PTH123
            file.write(values[name])
        os.replace(f"{path}.new", path)  # noqa: PTH105
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
