"""Records as the store keeps them: compressed with a dictionary, which makes a record of 2 KB some 300 bytes.

The dictionary is what records have in common: their keys, and the sentences of our explanations. It is stored in the
store that it was made for, so that a release with other sentences reads what an older one has written.
"""

from __future__ import annotations

import threading
from typing import Final

import zstandard

from service.contract.enums import VerdictCause
from service.explain import explain

_LEVEL: Final = 3
_SHAPE: Final = (
    '","outcome":"delivered","at":"2026-,"detail":{"smtp_response":"250 2.0.0 OK","bounce_type":"Permanent",'
    '"bounce_subtype":"General","status":"5.1.1","diagnostic":"smtp; 550 5.1.1 user unknown"}}],'
    '"gaps":[{"gap_id":"","kind":"accepted_not_delivered","cause":"sent_then_silent","recipient":null,"deadline":"2026-'
    '","opened_at":"2026-","resolved_at":null,"resolution":null}],'
    '"trail":[{"at":"2026-01-01T00:00:00.000Z","source":"smtp","fact":"started","evidence":"smtp/0/1"},'
    '{"at":"2026-","source":"smtp","fact":"identified"},{"at":"2026-","source":"smtp","fact":"queued"},'
    '{"at":"2026-","source":"smtp","fact":"accepted","said":"Ok 0100"},{"at":"2026-","source":"ses","fact":"sent",'
    '"evidence":"ses-events/3/41"},{"at":"2026-","source":"ses","fact":"delivered","said":"250 2.0.0 OK"},'
    '{"schema":"mailgap.correlated/1","mail_id":"0100019","ses_message_id":"0100019","message_id_header":"<",'
    '"queue_ids":["mx1/"],"stream":"transactional","region":"us-east-1","sender":"p-","submitted_at":"2026-",'
    '"accepted_at":"2026-","revision":1,"recipients":[{"address":"p-","domain":"gmail.com","outcome":"delivered",'
    '"at":"2026-","detail":{}}],"gaps":[],"ses_mails":[],"superseded_by":null,"partial":false,"held":false,'
    '"historic":false,"verdict":{"stage":"recipient","cause":"delivered","explanation":"","next_step":""},"trail":['
)


def new_dictionary() -> bytes:
    """What records of this release have in common, the commonest last."""
    causes = [cause for cause in VerdictCause if cause is not VerdictCause.DELIVERED] + [VerdictCause.DELIVERED]
    said = [explain(cause) for cause in causes]
    return "".join([*(text.explanation + text.next_step for text in said), _SHAPE]).encode()


class Packing:
    """Packs and unpacks records with one dictionary, in any thread."""

    def __init__(self, dictionary: bytes) -> None:
        self._dictionary = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._dictionary.precompute_compress(level=_LEVEL)
        self._own = threading.local()  # zstd's contexts belong to one thread each

    def pack(self, document: bytes) -> bytes:
        """Smaller bytes."""
        if not hasattr(self._own, "pack"):
            self._own.pack = zstandard.ZstdCompressor(level=_LEVEL, dict_data=self._dictionary)
        return bytes(self._own.pack.compress(document))

    def unpack(self, packed: bytes) -> bytes:
        """The record again. Raises `zstandard.ZstdError` for anything that `pack` did not make."""
        if not hasattr(self._own, "unpack"):
            self._own.unpack = zstandard.ZstdDecompressor(dict_data=self._dictionary)
        return bytes(self._own.unpack.decompress(packed))
