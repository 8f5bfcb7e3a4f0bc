"""Settings come from flags, the environment and one file, in this order; what is wrong with one is a sentence."""

from __future__ import annotations

import pytest

from service.setting_values import LONGEST_SUFFIX
from service.settings import TABLE, SettingsError, load, read_policy, read_zone


def _file(tmp_path, text):
    path = tmp_path / "mailgap.yaml"
    path.write_text(text)
    return str(path)


def test_defaults():
    settings = load({}, {})
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert settings.http_bind == ("127.0.0.1", 9750)
    assert settings.addresses == "pseudonymous"
    assert settings.topics.changelog == "mailgap-correlate-trails-changelog"
    assert settings.session_timeout == 10.0
    assert settings.commit_interval == 0.2


def test_flags_win_then_the_environment_then_the_file(tmp_path):
    config = _file(tmp_path, "prefix: file\npartitions: 3\nreplication: 2\n")
    environ = {"MAILGAP_PREFIX": "environment", "MAILGAP_PARTITIONS": "4", "MAILGAP_CONFIG": config}
    settings = load({"prefix": "flag", "partitions": None, "smtp_topics": ()}, environ)
    assert (settings.prefix, settings.partitions, settings.replication) == ("flag", 4, 2)


def test_several_topics_from_anywhere(tmp_path):
    config = _file(tmp_path, "ses_topics: [ses-a, ses-b]\n")
    settings = load({"smtp_topics": ("a", "b")}, {"MAILGAP_SES_TOPICS": "c, d,"}, config)
    assert (settings.smtp_topics, settings.ses_topics) == (("a", "b"), ("c", "d"))
    assert load({}, {}, config).ses_topics == ("ses-a", "ses-b")


@pytest.mark.parametrize(("bind", "read"), [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:9750", ("::1", 9750))])
def test_where_to_listen(bind, read):
    assert load({"http_bind": bind}, {}).http_bind == read


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("partitions", "0"),
        ("partitions", "many"),
        ("partitions", "-3"),
        ("replication", "1.5"),
        ("http_bind", "9750"),
        ("http_bind", "localhost:"),
        ("http_bind", "localhost:70000"),
        ("addresses", "secret"),
        ("session_timeout", "10"),
        ("session_timeout", "soon"),
        ("commit_interval", "-1s"),
        ("commit_interval", "0s"),
        ("commit_interval", "1h"),
        ("session_timeout", "0s"),
        ("session_timeout", "999999999d"),
        ("session_timeout", "nan"),
        ("bootstrap_servers", "127.0.0.1:99999"),
        ("bootstrap_servers", "127.0.0.1:0"),
        ("bootstrap_servers", "127.0.0.1:"),
        ("bootstrap_servers", "http://kafka:9092"),
        ("bootstrap_servers", "::1"),
        ("bootstrap_servers", "x" * 64 + ":9092"),
        ("prefix", "a b"),
        ("prefix", ".."),
        ("prefix", "x" * 230),
        ("smtp_topics", "a/b"),
        ("ses_topics", "\u00e9"),
        ("partitions", "\u00b2"),
        ("partitions", "9" * 5000),
        ("partitions", "10001"),
        ("replication", "99999"),
        ("brake", "\u00b2"),
        ("brake", "101"),
        ("http_bind", "x:\u00b2"),
        ("http_bind", ":80"),
        ("runbooks", "javascript:alert(1)"),
        ("runbooks", "wiki/runbooks"),
    ],
)
def test_a_wrong_value_is_named_with_where_it_came_from(key, value):
    flag = next(setting.flag for setting in TABLE if setting.key == key)
    with pytest.raises(SettingsError, match=flag) as said:
        load({key: value}, {})
    assert repr(value) in str(said.value) or repr(value)[:60] in str(said.value)
    with pytest.raises(SettingsError, match=f"MAILGAP_{key.upper()}"):
        load({}, {f"MAILGAP_{key.upper()}": value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense: 1", "'nonsense' is no setting"),
        ("- a list", "is a mapping"),
        ("a: [", "is no YAML"),
        ("pseudonym_key: hunter2hunter2hunter2", "'pseudonym_key' is no setting"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, words):
    config = _file(tmp_path, text)
    with pytest.raises(SettingsError, match=config) as said:
        load({}, {}, config)
    assert words in str(said.value)


@pytest.mark.parametrize("key", ["prefix", "policy_file", "pseudonym_key_file", "bootstrap_servers", "smtp_topics"])
def test_an_empty_flag_is_a_mistake_and_an_empty_variable_is_none(key):
    """Compose files and charts write `NAME: ""` for what is not set; nobody types `--flag ''` on purpose."""
    flag = next(setting.flag for setting in TABLE if setting.key == key)
    given = ("",) if key == "smtp_topics" else ""
    with pytest.raises(SettingsError, match=flag):
        load({key: given}, {})
    assert load({}, {f"MAILGAP_{key.upper()}": ""}) == load({}, {})


def test_a_key_without_a_value_in_the_file_is_not_set(tmp_path):
    assert load({}, {}, _file(tmp_path, "prefix:\nsmtp_topics: []\n")) == load({}, {})


def test_a_topic_is_read_for_one_thing():
    with pytest.raises(SettingsError, match="topic b is given with --smtp-topic and with --ses-topic"):
        load({"smtp_topics": ("a", "b"), "ses_topics": ("b",)}, {})
    assert load({"smtp_topics": ("a,b", "a")}, {}).smtp_topics == ("a", "b")


@pytest.mark.parametrize("key", ["smtp_topics", "ses_topics"])
@pytest.mark.parametrize("ours", ["facts", "correlated", "gaps", "dead-letters", "correlate-trails-changelog"])
def test_none_of_our_topics_is_an_input(key, ours):
    with pytest.raises(SettingsError, match=f"topic mine-{ours} is one that mailgap itself writes"):
        load({key: ("a", f"mine-{ours}"), "prefix": "mine"}, {})
    assert load({key: (f"others-{ours}",), "prefix": "mine"}, {})


def test_the_longest_name_of_a_topic_of_ours_is_one():
    longest = load({"prefix": "x" * (249 - len(LONGEST_SUFFIX))}, {}).topics
    assert max(map(len, longest.all)) == len(longest.changelog) == 249


def test_a_file_that_is_not_there():
    with pytest.raises(SettingsError, match=r"/nowhere/mailgap\.yaml"):
        load({}, {}, "/nowhere/mailgap.yaml")


def test_an_empty_file_is_no_error(tmp_path):
    assert load({}, {}, _file(tmp_path, "")).prefix == "mailgap"


def test_a_yaml_file_runs_nothing(tmp_path):
    with pytest.raises(SettingsError, match="is no YAML"):
        load({}, {}, _file(tmp_path, "prefix: !!python/object/apply:os.getcwd []"))


def test_no_key_and_no_choice_is_no_way_to_start():
    for environ in ({}, {"MAILGAP_PSEUDONYM_KEY": "too short"}):
        with pytest.raises(SettingsError, match=r"--pseudonym-key-file.*--addresses raw"):
            load({}, {}).pseudonyms(environ)
    with pytest.raises(SettingsError, match="/nowhere/key"):
        load({"pseudonym_key_file": "/nowhere/key"}, {}).pseudonyms({})
    assert load({"addresses": "raw"}, {}).pseudonyms({}) is None


def test_a_key_from_the_file_or_the_environment_is_the_same(tmp_path):
    path = tmp_path / "key"
    path.write_text("0123456789abcdef0123\n")
    from_file = load({"pseudonym_key_file": str(path)}, {}).pseudonyms({})
    from_environment = load({}, {}).pseudonyms({"MAILGAP_PSEUDONYM_KEY": "0123456789abcdef0123"})
    assert from_file.address("ann@client.example") == from_environment.address("ann@client.example")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "/etc/passwd", "Europe"])
def test_a_zone_that_is_none(name):
    with pytest.raises(SettingsError, match="is no zone"):
        read_zone(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("defaults: {handoff: 15}", "defaults.handoff: 15 is no duration"),
        ("defaults: {handoff: soon}", "'soon' is no duration"),
        ("defaults: {hand_off: 15m}", "'hand_off' is unknown"),
        ("streams: {name: otp}", "expected a list"),
        ("streams: [{match: {}}]", r"streams\[0\]: has no name"),
        ("streams: [{name: otp, match: {colour: red}}]", "'colour' is unknown"),
        ("sources: {stall_mails: none}", "'none' is no count"),
        ("unlogged_send: perhaps", "'perhaps' is neither on nor off"),
        ("[1, 2]", "expected a mapping"),
        ("{", "is no YAML"),
    ],
)
def test_a_wrong_policy_is_named(tmp_path, text, words):
    path = _file(tmp_path, text)
    with pytest.raises(SettingsError, match=words) as said:
        read_policy(path)
    assert path in str(said.value)


def test_a_folder_or_bytes_for_a_policy(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "bytes"):
        with pytest.raises(SettingsError, match=r"cannot be read|is no YAML"):
            read_policy(str(path))


def test_every_setting_has_a_flag_a_variable_and_a_line_of_help():
    assert len({setting.flag for setting in TABLE}) == len({setting.env for setting in TABLE}) == len(TABLE)
    assert all(setting.help.endswith(".") for setting in TABLE)
