"""`python -m sesemi_search`."""

import sys

from sesemi_search.cli import main

sys.exit(main())
