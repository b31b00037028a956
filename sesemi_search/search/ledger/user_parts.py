"""The sampler and the pruner of a search may be a user's own, and are called in the midst of the ledger's work.

No search goes on without them. What they raise is told with their name; what the storage raises stays what it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError

from sesemi_search.errors import SesemiSearchError, describe_exception, user_code

__all__ = ["named_part"]


@contextmanager
def named_part(key: str, part: object) -> Iterator[None]:
    """Names a sampler or a pruner in what it raises inside the block.

    Args:
        key: Its key.
        part: The sampler or the pruner.

    Raises:
        SesemiSearchError: It raised.
    """
    try:
        with user_code():
            yield
    except (SesemiSearchError, OSError, StorageInternalError):
        raise
    except Exception as error:
        name = f"{type(part).__module__}.{type(part).__qualname__}"
        raise SesemiSearchError(f"{key}: {name} raised {describe_exception(error)}") from error
