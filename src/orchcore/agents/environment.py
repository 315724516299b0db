"""Which variables of ours an agent's process inherits.

A list of what is allowed, not of what is forbidden: an agent sees its own login and never another
vendor's key, nor whatever secret happens to be exported in the shell that started the run.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

# Patterns as of fnmatch. Groups: who and where, language and terminal, folders, network,
# certificates, login helpers of the desktop, and where development tools live.
INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME"),
    *("LANG", "LANGUAGE", "LC_*", "TERM", "COLORTERM", "NO_COLOR", "TZ"),
    *("TMPDIR", "TMP", "TEMP", "XDG_*"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"),
    *("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "NVM_DIR", "NVM_BIN", "VOLTA_HOME", "FNM_DIR"),
    *("JAVA_HOME", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "LD_LIBRARY_PATH"),
)


def child_environment(
    ours: Mapping[str, str],
    adapter_login: Iterable[str],
    pass_env: Iterable[str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The environment of one agent's process.

    Args:
        ours: The orchestrator's environment.
        adapter_login: Names the agent's own CLI needs for its login; ``*`` is a wildcard.
        pass_env: Names the user lets through; ``*`` is a wildcard.
        extra: Variables that are set whatever ours says; the last word.

    Example:
        >>> ours = {"PATH": "/bin", "OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b"}
        >>> child_environment(ours, ["ANTHROPIC_API_KEY"], [], {"CI": "1"})
        {'PATH': '/bin', 'ANTHROPIC_API_KEY': 'b', 'CI': '1'}
    """
    inherited = named(ours, (*INHERITED, *adapter_login, *pass_env))
    return {name: ours[name] for name in inherited} | dict(extra)


def named(ours: Mapping[str, str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Names of the variables in *ours* that *wanted* names; ``*`` is a wildcard."""
    exact = frozenset(wanted)
    patterns = [name for name in exact if "*" in name]
    return tuple(
        name
        for name in ours
        if name in exact or any(fnmatchcase(name, pattern) for pattern in patterns)
    )
