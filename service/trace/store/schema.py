"""The store's tables. Both databases have the same; only the words for 64-bit numbers and bytes differ.

A mail's names stand as hashes in segments, `(term, at, mail)`: an index over random hashes is quick while it is small,
so each segment takes a part of the mails and is dropped whole once all of it is old. (One index of forty million
entries took 8,000 mails/s where twenty of two million take 30,000.) What a look-up finds is compared with the record.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
"""Of the tables. A store of another version is refused: it is made anew from the topic."""

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value {bytes} NOT NULL)",
    """CREATE TABLE IF NOT EXISTS positions (
        topic TEXT NOT NULL, part INTEGER NOT NULL, next {long} NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS mails (
        id {long_key}, mail_id TEXT NOT NULL UNIQUE, revision {long} NOT NULL, at {long} NOT NULL,
        stream TEXT NOT NULL, state TEXT NOT NULL, counted TEXT NOT NULL, document {bytes} NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS mails_at ON mails (at, id)",
    "CREATE INDEX IF NOT EXISTS mails_stream ON mails (stream, at, id)",
    "CREATE INDEX IF NOT EXISTS mails_state ON mails (state, at, id)",
    """CREATE TABLE IF NOT EXISTS late (
        key TEXT PRIMARY KEY, mail_id TEXT NOT NULL, at {long} NOT NULL, document {bytes} NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS late_mail ON late (mail_id)",
    "CREATE INDEX IF NOT EXISTS late_at ON late (at)",
    """CREATE TABLE IF NOT EXISTS gaps (
        gap_id TEXT PRIMARY KEY, mail_id TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL, stream TEXT NOT NULL,
        provider TEXT NOT NULL, recipient TEXT, deadline {long} NOT NULL, opened_at {long} NOT NULL,
        resolved_at {long}, resolution TEXT)""",
    "CREATE INDEX IF NOT EXISTS gaps_opened ON gaps (opened_at, gap_id)",
    "CREATE INDEX IF NOT EXISTS gaps_open ON gaps (opened_at, gap_id) WHERE resolution IS NULL",
    "CREATE INDEX IF NOT EXISTS gaps_resolved ON gaps (resolved_at)",
    "CREATE INDEX IF NOT EXISTS gaps_mail ON gaps (mail_id)",
    """CREATE TABLE IF NOT EXISTS tallies (
        hour {long} NOT NULL, stream TEXT NOT NULL, provider TEXT NOT NULL, outcome TEXT NOT NULL,
        accepted INTEGER NOT NULL, recipients {long} NOT NULL,
        PRIMARY KEY (hour, stream, provider, outcome, accepted))""",
    """CREATE TABLE IF NOT EXISTS conditions (
        condition_id TEXT PRIMARY KEY, revision {long} NOT NULL, document {bytes} NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS segments (name TEXT PRIMARY KEY, first {long} NOT NULL, newest {long} NOT NULL)",
)

SEGMENT: Final = """CREATE TABLE IF NOT EXISTS {name} (
    term {long} NOT NULL, at {long} NOT NULL, mail {long} NOT NULL, PRIMARY KEY (term, at, mail)){without_rowid}"""
