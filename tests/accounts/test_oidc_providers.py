"""Identity providers are read from the environment; wrong or missing values are reported."""

from __future__ import annotations

import pytest

from portal.accounts.oidc.claims import read_policy
from portal.accounts.oidc.provider import is_oidc_configured, read_providers
from portal.lib.env import Environment

ONE = {
    "OIDC_RP_CLIENT_ID": "portal",
    "OIDC_RP_CLIENT_SECRET": "hidden",
    "OIDC_OP_ISSUER": "https://login.example.org/realm",
}
BY_HAND = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "https://login.example.org/authorize",
    "OIDC_OP_TOKEN_ENDPOINT": "https://login.example.org/token",
    "OIDC_OP_USER_ENDPOINT": "https://login.example.org/me",
    "OIDC_OP_JWKS_ENDPOINT": "https://login.example.org/keys",
}
TWO = {
    "OIDC_PROVIDERS": "campus, far-away",
    "OIDC_CAMPUS_NAME": "Campus",
    "OIDC_CAMPUS_RP_CLIENT_ID": "a",
    "OIDC_CAMPUS_RP_CLIENT_SECRET": "b",
    "OIDC_CAMPUS_OP_ISSUER": "https://campus.example.org",
    "OIDC_FAR_AWAY_RP_CLIENT_ID": "c",
    "OIDC_FAR_AWAY_RP_CLIENT_SECRET": "d",
    "OIDC_FAR_AWAY_OP_ISSUER": "https://far.example.org/",
    "OIDC_FAR_AWAY_GROUP_PREFIX": "far:",
}


def problems(variables: dict[str, str]) -> list[tuple[str, str]]:
    environment = Environment(variables)
    read_providers(environment)
    return [(problem.id, problem.variable) for problem in environment.problems]


def test_no_provider_is_configured_without_variables():
    assert read_providers(Environment({})) == {}
    assert not is_oidc_configured(Environment({}))


def test_provider_without_a_name_is_called_by_its_host():
    (one,) = read_providers(Environment(ONE)).values()
    assert (one.slug, one.name) == ("provider", "login.example.org")
    assert read_providers(Environment({**ONE, "OIDC_NAME": "Uni"}))["provider"].name == "Uni"


def test_repr_of_a_provider_hides_its_secret():
    assert "hidden" not in repr(read_providers(Environment(ONE)))


def test_client_secret_may_be_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    variables = {**ONE, "OIDC_RP_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    del variables["OIDC_RP_CLIENT_SECRET"]
    assert read_providers(Environment(variables))["provider"].client_secret == "from a file"


def test_explicit_endpoints_need_no_issuer():
    variables = {**ONE, **BY_HAND}
    del variables["OIDC_OP_ISSUER"]
    one = read_providers(Environment(variables))["provider"]
    assert one.is_set_by_hand
    assert one.issuer == ""


def test_several_providers_have_separate_settings():
    found = read_providers(Environment(TWO))
    assert list(found) == ["campus", "far-away"]
    assert found["campus"].name == "Campus"
    assert found["far-away"].client_secret == "d"
    assert found["far-away"].issuer == "https://far.example.org/"  # a slash counts
    assert found["far-away"].prefix == "far:"


def test_openid_scope_is_always_requested():
    one = read_providers(Environment({**ONE, "OIDC_RP_SCOPES": "email,groups"}))["provider"]
    assert one.scopes == "openid email groups"


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("OIDC_RP_CLIENT_ID", ("portal.E010", "OIDC_RP_CLIENT_ID")),
        ("OIDC_RP_CLIENT_SECRET", ("portal.E011", "OIDC_RP_CLIENT_SECRET")),
        ("OIDC_OP_ISSUER", ("portal.E013", "OIDC_OP_ISSUER")),
    ],
)
def test_missing_variable_is_reported_and_oidc_stays_configured(without, said):
    variables = {name: value for name, value in ONE.items() if name != without}
    assert problems(variables) == [said]
    assert is_oidc_configured(Environment(variables))


@pytest.mark.parametrize(
    "address", ["login.example.org", "ftp://login.example.org", "https://", "https://[::1", "x://"]
)
def test_invalid_issuer_address_is_reported(address):
    assert ("portal.E012", "OIDC_OP_ISSUER") in problems({**ONE, "OIDC_OP_ISSUER": address})


@pytest.mark.parametrize("name", ["Campus", "../x", "1st", "a_b", "x" * 41])
def test_provider_name_that_does_not_fit_a_url_is_reported(name):
    assert ("portal.E014", "OIDC_PROVIDERS") in problems({"OIDC_PROVIDERS": name})


def test_group_names_may_contain_spaces():
    found = read_policy(
        Environment({"OIDC_OPERATORS": "IT Staff, root", "OIDC_VIEWERS": "IT Staff"})
    )
    assert found.roles == {
        "IT Staff": frozenset({"operator", "viewer"}),
        "root": frozenset({"operator"}),
    }
    assert found.allows_everybody


def test_group_names_with_commas_stand_in_quotes():
    lab = "CN=Lab, the first,OU=Groups,DC=uni"
    found = read_policy(
        Environment(
            {"OIDC_ALLOW_GROUPS": f'"{lab}", members\nstaff', "OIDC_VIEWERS": f'a, "{lab}"'}
        )
    )
    assert found.allow_groups == {lab, "members", "staff"}
    assert set(found.roles) == {"a", lab}
