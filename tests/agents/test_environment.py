from orchcore.agents.environment import child_environment


def test_other_vendors_keys_stay_here() -> None:
    """A child inherits what is on the list and its own login, and no other secret."""
    ours = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LC_ALL": "C.UTF-8",
        "XDG_CACHE_HOME": "/cache",
        "https_proxy": "http://proxy",
        "NODE_EXTRA_CA_CERTS": "/ca.pem",
        "ANTHROPIC_API_KEY": "mine",
        "OPENAI_API_KEY": "another's",
        "GITHUB_TOKEN": "secret",
        "DATABASE_URL": "secret",
    }
    inherited = {name: ours[name] for name in list(ours)[:6]}
    assert child_environment(ours, ["ANTHROPIC_API_KEY"], [], {}) == {
        **inherited,
        "ANTHROPIC_API_KEY": "mine",
    }


def test_users_let_more_through_by_name_or_pattern() -> None:
    """``pass_env`` adds names of ours; what is not set here is not set there."""
    ours = {"DATABASE_URL": "db", "AWS_REGION": "eu", "AWS_PROFILE": "dev", "OTHER": "x"}
    child = child_environment(ours, [], ["DATABASE_URL", "AWS_*", "MISSING"], {})
    assert child == {"DATABASE_URL": "db", "AWS_REGION": "eu", "AWS_PROFILE": "dev"}


def test_extra_variables_have_the_last_word() -> None:
    """*extra* replaces what is inherited."""
    assert child_environment({"PATH": "/bin"}, [], [], {"PATH": "/opt"}) == {"PATH": "/opt"}
