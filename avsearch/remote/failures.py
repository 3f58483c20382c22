"""What fsspec's many backends raise: whether trying again can help, and how a person is told."""

from __future__ import annotations

import errno

from avsearch.errors import StorageError, words_of
from avsearch.installing import extra_hint, pip

_FOR_GOOD = (
    FileNotFoundError,
    PermissionError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    ImportError,
    ValueError,
    TypeError,
    LookupError,
    NotImplementedError,
    AttributeError,
)
_OF_THE_STORE = {
    errno.EINVAL,
    errno.EPERM,
    errno.ENOSYS,
    errno.ENOSPC,
    errno.EROFS,
    errno.EMSGSIZE,
    errno.ENAMETOOLONG,
}
_ABOUT_CREDENTIALS = ("Credential", "Profile", "Token", "SSO", "Auth")
_CREDENTIALS_HINT = (
    "For S3, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to ones that may list, read, write "
    "and delete."
)
_ANSWER_HINT = "Check the address, the network and, for S3, AWS_ENDPOINT_URL; then run the same command again."


def may_pass(error: Exception) -> bool:
    """Whether the same call may succeed in a while."""
    if isinstance(error, _FOR_GOOD):
        return False
    if isinstance(error, OSError) and error.errno in _OF_THE_STORE:
        return False
    return not _is_about_credentials(error)


def refusal(url: str, error: Exception) -> StorageError:
    """The sentence for it."""
    words = words_of(error, "strerror")
    if isinstance(error, ImportError):
        return StorageError(
            f"{url}: it needs a package, which is not installed ({words}).", hint=_install_hint(url)
        )
    if isinstance(error, ValueError) and "rotocol not known" in str(error):
        return StorageError(f"{url}: is of no kind that fsspec knows.", hint="Give it as s3://BUCKET/FOLDER.")
    if isinstance(error, PermissionError):
        return StorageError(f"{url}: the store refuses ({words}).", hint=_CREDENTIALS_HINT)
    if _is_about_credentials(error):
        return StorageError(f"{url}: there are no usable credentials ({words}).", hint=_CREDENTIALS_HINT)
    if may_pass(error):
        return StorageError(f"{url}: the store does not answer ({words}).", hint=_ANSWER_HINT)
    return StorageError(f"{url}: the store cannot be used ({words}).", hint=_ANSWER_HINT)


def _is_about_credentials(error: Exception) -> bool:
    """Whether it is one of the errors that botocore and others have for it, which no common class joins."""
    return any(word in type(error).__name__ for word in _ABOUT_CREDENTIALS)


def _install_hint(url: str) -> str:
    if url.startswith(("s3:", "s3a:")):
        return extra_hint("s3")
    return f"Run `{pip('install')}` with its name."
