"""Our partitioner is Kafka's own."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as original
from hypothesis import given
from hypothesis import strategies as st

from topologies.engine.partitions import murmur2, partition_of


@given(st.binary(max_size=300))
def test_murmur2_is_aiokafkas(data):
    assert murmur2(data) == original(data)


@given(st.binary(max_size=80), st.integers(1, 64))
def test_a_key_goes_where_kafkas_default_partitioner_puts_it(key, count):
    partitions = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, partitions, partitions)


def test_the_java_clients_own_examples():
    """From Apache Kafka's UtilsTest.testMurmur2, as unsigned numbers."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {key: murmur2(key) for key in known} == {key: number & 0xFFFFFFFF for key, number in known.items()}
