"""kafka-python against the broker that the first argument names."""

import sys
import time

import kafka
from kafka import ConsumerGroupMetadata, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from checks import CODECS, NotOffered, eventually, run, unique

BOOTSTRAP = sys.argv[1]
admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(partitions=1):
    topic = unique("kafka-python")
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
    return topic


def producer(**settings):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, **settings)


def produce(topic, values, client=None, partition=0, headers=None):
    owned = client is None
    client = client or producer()
    sent = [client.send(topic, value, partition=partition, headers=headers or []) for value in values]
    for one in sent:
        one.get(timeout=20)
    if owned:
        client.close()


def consumer(group=None, **settings):
    return KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        **settings,
    )


def read(reader, count, seconds=30):
    found = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        for messages in reader.poll(timeout_ms=200, max_records=count - len(found)).values():
            found.extend(messages)
    assert len(found) == count, f"read {len(found)} of {count}"
    return found


def messages_of(topic, count, partition=0, **settings):
    reader = consumer(**settings)
    place = TopicPartition(topic, partition)
    reader.assign([place])
    reader.seek(place, 0)
    try:
        return read(reader, count)
    finally:
        reader.close()


def topics():
    topic = create(3)
    admin.create_partitions({topic: 5})
    [described] = admin.describe_topics([topic])
    assert len(described["partitions"]) == 5, described
    admin.delete_topics([topic])
    eventually("it is gone", lambda: topic not in admin.list_topics())


def cluster():
    assert admin.describe_cluster()["brokers"]
    assert admin.describe_log_dirs()


def codec(name):
    def check():
        topic = create()
        sent = [f"{i} {'x' * (i * 37 % 900)}".encode() for i in range(200)]
        client = producer(compression_type=None if name == "none" else name, linger_ms=20)
        produce(topic, sent, client, headers=[("origin", b"conformance")])
        client.close()
        found = messages_of(topic, 200)
        assert [m.value for m in found] == sent
        assert list(found[7].headers) == [("origin", b"conformance")]

    return check


def idempotent():
    topic = create()
    sent = [str(i).encode() for i in range(500)]
    client = producer(enable_idempotence=True)
    produce(topic, sent, client)
    client.close()
    assert [m.value for m in messages_of(topic, 500)] == sent


def offsets_by_time():
    topic = create()
    produce(topic, [b"a"])
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    produce(topic, [b"b"])
    place = TopicPartition(topic, 0)
    reader = consumer()
    assert reader.offsets_for_times({place: between})[place].offset == 1
    assert reader.end_offsets([place])[place] == 2
    reader.close()


def resume():
    topic, group = create(), unique("group")
    produce(topic, [str(i).encode() for i in range(10)])
    for expected in ([b"0", b"1", b"2", b"3"], [b"4", b"5", b"6", b"7", b"8", b"9"]):
        reader = consumer(group)
        reader.subscribe([topic])
        found = read(reader, len(expected))
        assert [m.value for m in found] == expected
        reader.commit({TopicPartition(topic, 0): OffsetAndMetadata(found[-1].offset + 1, "", -1)})
        reader.close()


def shared(**settings):
    topic, group = create(4), unique("group")
    first, second = consumer(group, **settings), consumer(group, **settings)
    poll = lambda *readers: [reader.poll(timeout_ms=400) for reader in readers]
    first.subscribe([topic])
    try:
        eventually("the first owns all", lambda: (poll(first), len(first.assignment()) == 4)[1], 60)
        second.subscribe([topic])
        halves = lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2
        eventually("both own half", lambda: (poll(first, second), halves())[1], 45)
        second.close()
        eventually("the first owns all again", lambda: (poll(first), len(first.assignment()) == 4)[1], 45)
    finally:
        first.close()


def classic_group():
    resume()
    shared()


def cooperative():
    shared(partition_assignment_strategy=[CooperativeStickyAssignor])


def static_membership():
    topic, group = create(2), unique("group")
    first = consumer(group, group_instance_id="one")
    first.subscribe([topic])
    eventually("it owns both", lambda: (first.poll(timeout_ms=400), len(first.assignment()) == 2)[1])
    again = consumer(group, group_instance_id="one")
    again.subscribe([topic])
    eventually("the one that came back owns both", lambda: (again.poll(timeout_ms=400), len(again.assignment()) == 2)[1])
    again.close()
    first.close()


def newer_group():
    raise NotOffered("kafka-python speaks the classic protocol only")


def transactions():
    topic = create(2)
    client = producer(transactional_id=unique("tx"))
    client.init_transactions()
    for outcome, value in (("commit", b"c1"), ("abort", b"a1"), ("commit", b"c2")):
        client.begin_transaction()
        for partition in (0, 1):
            client.send(topic, value, partition=partition).get(timeout=20)
        client.commit_transaction() if outcome == "commit" else client.abort_transaction()
    client.close()
    for partition in (0, 1):
        found = messages_of(topic, 2, partition, isolation_level="read_committed")
        assert [m.value for m in found] == [b"c1", b"c2"]
        found = messages_of(topic, 3, partition, isolation_level="read_uncommitted")
        assert [m.value for m in found] == [b"c1", b"a1", b"c2"]


def fencing():
    topic, name = create(), unique("tx")
    old = producer(transactional_id=name)
    old.init_transactions()
    old.begin_transaction()
    old.send(topic, b"zombie", partition=0).get(timeout=20)
    new = producer(transactional_id=name)
    new.init_transactions()
    try:
        old.commit_transaction()
        raise AssertionError("a zombie committed")
    except KafkaError:
        pass
    new.begin_transaction()
    new.send(topic, b"heir", partition=0).get(timeout=20)
    new.commit_transaction()
    new.close()
    old.close(timeout=1)
    assert [m.value for m in messages_of(topic, 1, isolation_level="read_committed")] == [b"heir"]


def offsets_in_transactions():
    source, target, group = create(), create(), unique("group")
    produce(source, [str(i).encode() for i in range(6)])
    client = producer(transactional_id=unique("tx"))
    client.init_transactions()
    place = TopicPartition(source, 0)
    for outcome in ("abort", "commit"):
        reader = consumer(group, isolation_level="read_committed")
        reader.subscribe([source])
        found = read(reader, 6)
        client.begin_transaction()
        for message in found:
            client.send(target, message.value, partition=0)
        client.send_offsets_to_transaction({place: OffsetAndMetadata(6, "", -1)}, ConsumerGroupMetadata(group))
        client.commit_transaction() if outcome == "commit" else client.abort_transaction()
        reader.close()
    client.close()
    reader = consumer(group)
    committed = reader.committed(place)
    reader.close()
    assert committed == 6, committed
    assert len(messages_of(target, 6, isolation_level="read_committed")) == 6


def transaction_administration():
    topic, name = create(), unique("tx")
    client = producer(transactional_id=name)
    client.init_transactions()
    client.begin_transaction()
    client.send(topic, b"open", partition=0).get(timeout=20)
    place = TopicPartition(topic, 0)
    listed = [t for found in admin.list_transactions().values() for t in found if t.transactional_id == name]
    assert len(listed) == 1, listed
    described = admin.describe_transactions([name])
    assert "Ongoing" in str(described).title(), described
    producers = admin.describe_producers([place])[place]
    assert len(producers.active_producers) == 1, producers
    client.abort_transaction()
    client.close()


def configs():
    topic = create()
    admin.alter_configs([ConfigResource("topic", topic, {"retention.ms": "1000000"})])
    shown = admin.describe_configs([ConfigResource("topic", topic)])
    assert "1000000" in str(shown), shown


def delete_records():
    topic = create()
    produce(topic, [str(i).encode() for i in range(10)])
    place = TopicPartition(topic, 0)
    admin.delete_records({place: 4})
    reader = consumer()
    assert reader.beginning_offsets([place])[place] == 4
    reader.close()


def group_administration():
    topic, group = create(), unique("group")
    produce(topic, [b"a", b"b"])
    reader = consumer(group)
    reader.subscribe([topic])
    read(reader, 2)
    place = TopicPartition(topic, 0)
    reader.commit({place: OffsetAndMetadata(2, "", -1)})
    assert group in str(admin.list_groups())
    assert reader.config["client_id"] in str(admin.describe_groups([group]))
    reader.close()
    assert admin.list_group_offsets(group)[group][place].offset == 2
    admin.alter_group_offsets(group, {place: OffsetAndMetadata(1, "", -1)})
    assert admin.list_group_offsets(group)[group][place].offset == 1
    admin.delete_groups([group])


def elections_and_moves():
    topic = create()
    [node] = [broker["broker_id"] for broker in admin.describe_cluster()["brokers"]][:1]
    admin.elect_leaders(0, {topic: [0]}, raise_errors=False)
    admin.alter_partition_reassignments({TopicPartition(topic, 0): [node]})
    assert not admin.list_partition_reassignments()


run(
    "kafka-python",
    kafka.__version__,
    {
        "topics": topics,
        "cluster": cluster,
        **{f"codec {name}": codec(name) for name in CODECS},
        "idempotent producer": idempotent,
        "offsets by time": offsets_by_time,
        "classic group": classic_group,
        "cooperative rebalance": cooperative,
        "static membership": static_membership,
        "consumer group (KIP-848)": newer_group,
        "transactions": transactions,
        "fencing": fencing,
        "offsets in transactions": offsets_in_transactions,
        "transaction administration": transaction_administration,
        "configs": configs,
        "delete records": delete_records,
        "group administration": group_administration,
        "elections and reassignments": elections_and_moves,
    },
)
