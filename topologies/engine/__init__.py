"""What mailgap adds to Faust: batches, shards, transactions, restore. It knows nothing of mail.

Faust gives the group, the assignor, agents, tables by name and the life cycle; its per-event path, acknowledgements,
windows and recovery are not used. `tests/topologies/test_contract.py` names every internal that this builds on.
"""
