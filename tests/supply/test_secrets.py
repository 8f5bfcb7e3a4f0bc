"""No secret was committed: detect-secrets looks at every file of the repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import need
from tests.rules.prometheus import ROOT

pytestmark = [pytest.mark.helm]  # its scanner is in the same lock

GUESSES = {"HexHighEntropyString", "Base64HighEntropyString"}
"""Whatever looks random. Tests are full of queue ids and SES ids: there only what has the form of a secret counts."""
KNOWN = (
    ("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz", "Postfix's alphabet for queue ids"),
    ("mailgap-sinks", "the name of a Kubernetes Secret"),
    ("trace-tls", "the same"),
    ("secret", "a password in an address that tests expect to be refused"),
    ("s3cr3t", "what tests look for where no secret may stand"),
    ("https://u:s3cr3t@a.example/", "the same"),
    *((word, "a password of a test") for word in ("open sesame ", "open-sesame", "right", "wrong", "other")),
    ("s3cret-of-the-client", "the same, of the tests' OAuth server"),
    ("ada.lovelace@example.org", "an address that a test hides"),
)
"""What looks like a secret and is none, and what it is. Pairs, since a scanner takes what follows `secret:` for one."""


def _found(*files: str, guess: bool) -> Iterator[tuple[str, str]]:
    """File and line, and what seems to be a secret there."""
    try:
        from detect_secrets import SecretsCollection  # noqa: PLC0415 see above
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # noqa: PLC0415
        from detect_secrets.settings import transient_settings  # noqa: PLC0415
    except ImportError:
        need("helm", "detect-secrets is not here; `make ship` installs it")
    names = {plugin.__name__ for plugin in get_mapping_from_secret_type_to_class().values()}
    assert names > GUESSES
    with transient_settings({"plugins_used": [{"name": name} for name in names - (set() if guess else GUESSES)]}):
        secrets = SecretsCollection()
        for file in files:
            secrets.scan_file(file)
    for file, secret in secrets:
        yield f"{file}:{secret.line_number}", secret.secret_value


def _tracked(*, tests: bool) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [str(ROOT / name) for name in files if name.startswith("tests/") is tests]


def test_it_would_be_found(tmp_path):
    key = tmp_path / "settings.py"
    key.write_text(f'aws_secret_access_key = "{"wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYzzzzzzzzKEY"}"\n')
    assert list(_found(str(key), guess=False))


@pytest.mark.slow
@pytest.mark.parametrize("tests", [False, True])
def test_no_secret_stands_in_the_repository(tests):
    files = _tracked(tests=tests)
    assert len(files) > 100
    unknown = [place for place, value in _found(*files, guess=not tests) if value not in dict(KNOWN)]
    assert unknown == [], "take it out and revoke it; where it is none, say in KNOWN what it is"
