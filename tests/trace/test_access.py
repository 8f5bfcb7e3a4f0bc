"""Who may read, and who may see addresses."""

from __future__ import annotations

import hashlib
import ipaddress

import pytest

from service.settings import load
from service.trace import serving
from service.trace.access import SESSION, Access, AccessError, Request, Role, Visitor, is_loopback, read_tokens
from service.trace.limits import MOST_VISITORS, Limiter

TOKEN = "0123456789abcdef0123456789abcdef"
TOKENS = read_tokens(f"# ours\nreader ann {TOKEN}\nunmask bob {TOKEN[::-1]}\n", "tokens")
PROXY = (ipaddress.ip_network("10.1.0.0/16"),)
LOCAL = {"host": "127.0.0.1:9750"}


def visitor(access, client="127.0.0.1", session="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return access.visitor(Request(client, named, session), 1000)


@pytest.mark.parametrize("host", ["127.0.0.1:9750", "localhost", "LocalHost:80", "[::1]:9750"])
def test_on_the_loopback_whoever_is_there_reads_and_unmasks_nothing(host):
    assert visitor(Access(), host=host) == Visitor("local", Role.READER)


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("192.0.2.1", LOCAL),  # not from here
        ("127.0.0.1", {"host": "rebound.example"}),  # a page elsewhere whose name was turned into ours
        ("127.0.0.1", {"host": "127.0.0.1.evil.example"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {**LOCAL, "x_forwarded_for": "192.0.2.1"}),  # somebody else's proxy
        ("", LOCAL),
    ],
)
def test_everybody_else_does_not(client, headers):
    assert visitor(Access(), client, **headers) is None


def test_where_there_are_tokens_or_proxies_or_another_door_nobody_reads_without():
    for access in (Access(tokens=TOKENS), Access(proxies=PROXY), Access(open=False)):
        assert visitor(access, **LOCAL) is None


def test_a_token_says_who_and_what_role():
    access = Access(tokens=TOKENS, open=False)
    assert visitor(access, "192.0.2.1", authorization=f"Bearer {TOKEN}") == Visitor("ann", Role.READER)
    assert visitor(access, "192.0.2.1", authorization=f"bearer {TOKEN[::-1]}") == Visitor("bob", Role.UNMASK)
    for wrong in ("", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
        assert visitor(access, "192.0.2.1", authorization=wrong) is None


def test_a_wrong_token_is_not_made_good_by_being_local():
    assert visitor(Access(), authorization="Bearer nonsense", **LOCAL) is None


def test_a_proxy_is_believed_by_its_address_alone():
    access = Access(proxies=PROXY, unmask_groups=frozenset({"postmasters"}), open=False)
    said = {"x_auth_request_user": "ann", "x_auth_request_groups": "staff, postmasters"}
    assert visitor(access, "10.1.2.3", **said) == Visitor("ann", Role.UNMASK)
    assert visitor(access, "10.1.2.3", x_forwarded_email="ann@corp.example") == Visitor("ann@corp.example", Role.READER)
    assert visitor(access, "10.1.2.3", x_forwarded_user="ann", x_forwarded_groups="staff") == Visitor(
        "ann", Role.READER
    )
    assert visitor(access, "::ffff:10.1.2.3", **said) == Visitor("ann", Role.UNMASK)
    for client in ("10.2.2.3", "::ffff:10.2.2.3", "2001:db8::1", "", "nonsense"):
        assert visitor(access, client, **said) is None
    assert visitor(access, "10.1.2.3", x_forwarded_groups="postmasters") is None  # nobody is named


@pytest.mark.parametrize(
    ("headers", "repeated"),
    [
        # oauth2-proxy writes the one convention, and hands on what the visitor wrote under the other's names
        ({"x_forwarded_user": "ann", "x_auth_request_user": "the-boss"}, ()),
        ({"x_forwarded_user": "ann", "x_auth_request_groups": "postmasters"}, ()),
        ({"x_auth_request_user": "ann", "x_forwarded_groups": "postmasters"}, ()),
        # a proxy that adds, and does not replace
        ({"x_forwarded_user": "the-boss"}, ("x-forwarded-user",)),
        ({"x_forwarded_user": "ann", "x_forwarded_groups": "postmasters"}, ("x-forwarded-groups",)),
    ],
)
def test_what_a_visitor_writes_beside_the_proxys_words_signs_nobody_in(headers, repeated):
    access = Access(proxies=PROXY, unmask_groups=frozenset({"postmasters"}), open=False)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert access.visitor(Request("10.1.2.3", named, repeated=frozenset(repeated)), 1000) is None


def test_groups_unmask_nothing_unless_the_settings_say_so():
    access = Access(proxies=PROXY)
    assert visitor(access, "10.1.2.3", x_forwarded_user="ann", x_forwarded_groups="") == Visitor("ann", Role.READER)


def test_a_session_lasts_its_time_and_cannot_be_made_up():
    access = Access(tokens=TOKENS, open=False, secret=b"s" * 32)
    session = access.session(TOKEN, 1000)
    asked = Request("192.0.2.1", {}, session)
    assert access.visitor(asked, 1000) == Visitor("ann", Role.READER)
    assert access.visitor(asked, 1000 + SESSION) is None
    others = Access(tokens=TOKENS, open=False, secret=b"t" * 32)
    assert others.visitor(asked, 1000) is None  # another process's
    assert Access(tokens={}, open=False, secret=b"s" * 32).visitor(asked, 1000) is None  # the token was taken back
    for wrong in ("x", session[:-3], session.replace("A", "B", 1), "ä", "LS4t", ""):
        assert wrong == session or access.visitor(Request("192.0.2.1", {}, wrong), 1000) is None
    assert TOKEN not in session


def test_of_several_pages_with_one_key_each_knows_whom_another_has_signed_in(tmp_path):
    """Two replicas over one PostgreSQL; without a key that they share, each knows its own sessions alone."""
    (tmp_path / "tokens").write_text(f"reader ann {TOKEN}\n")
    for name in ("one", "other"):
        (tmp_path / name).write_text(f"the {name} key of this test, long enough")

    def page(key):
        flags = {"trace_tokens_file": str(tmp_path / "tokens"), "http_bind": "0.0.0.0:0"}
        return serving.access(
            load({**flags, **({"pseudonym_key_file": str(tmp_path / key)} if key else {})}), own_file=False
        )

    def knows(mine, theirs):
        return page(mine).visitor(Request("192.0.2.1", {}, page(theirs).session(TOKEN, 1000)), 1000) is not None

    assert knows("one", "one")
    assert not knows("one", "other")
    assert not knows("", "")


def test_a_token_may_stand_there_as_its_hash():
    hashed = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert read_tokens(f"reader ann sha256:{hashed}", "f") == read_tokens(f"reader ann {TOKEN}", "f")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no token"),
        ("# nothing", "holds no token"),
        ("admin ann " + TOKEN, ":1: a line is a role"),
        ("reader ann " + TOKEN + "\nreader bob", ":2: a line is a role"),
        ("reader ann short-and-secret", "fewer than 20 characters"),
    ],
)
def test_a_wrong_file_of_tokens_is_named_by_line_and_never_by_what_it_holds(text, words):
    with pytest.raises(AccessError, match=words) as said:
        read_tokens(text, "tokens")
    assert TOKEN not in str(said.value)
    assert "short-and-secret" not in str(said.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("mail.example", False)],
)  # fmt: skip
def test_what_listens_for_others(host, loopback):
    assert is_loopback(host) is loopback


def test_a_limiter_lets_a_burst_through_and_then_a_steady_rate():
    limiter = Limiter(rate=2, burst=3)
    assert [limiter.wait("ann", 0) for _ in range(3)] == [0, 0, 0]
    assert limiter.wait("ann", 0) == 0.5
    assert limiter.wait("bob", 0) == 0
    assert limiter.wait("ann", 0.5) == 0
    assert limiter.wait("ann", 0.5) > 0
    assert [limiter.wait("ann", 100) for _ in range(4)][:3] == [0, 0, 0]


def test_a_limiter_forgets_those_seen_longest_ago():
    limiter = Limiter(rate=1, burst=1)
    for number in range(MOST_VISITORS + 10):
        limiter.wait(str(number), 0)
    assert len(limiter._buckets) == MOST_VISITORS
    assert limiter.wait("5", 0) == 0
    assert limiter.wait(str(MOST_VISITORS), 0) > 0
