"""confluent-kafka (librdkafka) against the broker that the first argument names."""

import sys
import time

import confluent_kafka
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from checks import CODECS, eventually, run, unique

BOOTSTRAP = sys.argv[1]
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(partitions=1, **configs):
    topic = unique("confluent")
    admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result(20)
    eventually("the topic is there", lambda: topic in admin.list_topics(timeout=10).topics)
    return topic


def producer(**settings):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, "message.timeout.ms": 20000, **settings})


def produce(topic, values, client=None, partition=0, headers=None):
    errors = []
    client = client or producer()
    for value in values:
        client.produce(
            topic, value, key=b"k", partition=partition, headers=headers, on_delivery=lambda e, _: e and errors.append(e)
        )
    left = client.flush(25)
    assert left == 0 and not errors, f"{left} not delivered, {errors[:1]}"


def consumer(group=None, **settings):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group or unique("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            **settings,
        }
    )


def new_protocol(group, **settings):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "group.protocol": "consumer",
            **settings,
        }
    )


def read(reader, count, seconds=30):
    values = []
    deadline = time.monotonic() + seconds
    while len(values) < count and time.monotonic() < deadline:
        message = reader.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        values.append(message)
    assert len(values) == count, f"read {len(values)} of {count}"
    return values


def values_of(topic, count, partition=0, **settings):
    reader = consumer(**settings)
    try:
        reader.assign([TopicPartition(topic, partition, 0)])
        return [message.value() for message in read(reader, count)]
    finally:
        reader.close()


def topics():
    topic = create(3)
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(20)
    eventually("it has 5 partitions", lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 5)
    described = admin.describe_topics(confluent_kafka.TopicCollection([topic]))[topic].result(20)
    assert len(described.partitions) == 5
    admin.delete_topics([topic])[topic].result(20)
    eventually("it is gone", lambda: topic not in admin.list_topics(timeout=10).topics)


def codec(name):
    def check():
        topic = create()
        sent = [f"{i} {'x' * (i * 37 % 900)}".encode() for i in range(200)]
        produce(topic, sent, producer(**{"compression.type": name}), headers=[("origin", b"conformance")])
        reader = consumer()
        reader.assign([TopicPartition(topic, 0, 0)])
        messages = read(reader, 200)
        reader.close()
        assert [m.value() for m in messages] == sent
        assert messages[7].headers() == [("origin", b"conformance")]

    return check


def idempotent():
    topic = create()
    sent = [str(i).encode() for i in range(500)]
    produce(topic, sent, producer(**{"enable.idempotence": True}))
    assert values_of(topic, 500) == sent


def offsets_by_time():
    topic = create()
    produce(topic, [b"a"])
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    produce(topic, [b"b"])
    reader = consumer()
    [found] = reader.offsets_for_times([TopicPartition(topic, 0, between)], 10)
    assert found.offset == 1, found
    assert reader.get_watermark_offsets(TopicPartition(topic, 0), 10) == (0, 2)
    reader.close()
    latest = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()})
    assert next(iter(latest.values())).result(20).offset == 2


def resume(make):
    topic, group = create(), unique("group")
    produce(topic, [str(i).encode() for i in range(10)])
    for expected in ([b"0", b"1", b"2", b"3"], [b"4", b"5", b"6", b"7", b"8", b"9"]):
        reader = make(group)
        reader.subscribe([topic])
        messages = read(reader, len(expected))
        assert [m.value() for m in messages] == expected
        reader.commit(offsets=[TopicPartition(topic, 0, messages[-1].offset() + 1)], asynchronous=False)
        reader.close()


def shared(make):
    topic, group = create(4), unique("group")
    first, second = make(group), make(group)
    first.subscribe([topic])
    try:
        eventually("the first owns all", lambda: (first.poll(0.1), len(first.assignment()) == 4)[1])
        second.subscribe([topic])
        eventually(
            "both own half",
            lambda: (first.poll(0.1), second.poll(0.1), len(first.assignment()) == 2 and len(second.assignment()) == 2)[2],
            45,
        )
        second.close()
        eventually("the first owns all again", lambda: (first.poll(0.1), len(first.assignment()) == 4)[1], 45)
    finally:
        first.close()


def classic_group():
    resume(consumer)
    shared(consumer)


def cooperative():
    shared(lambda group: consumer(group, **{"partition.assignment.strategy": "cooperative-sticky"}))


def static_membership():
    topic, group = create(2), unique("group")
    first = consumer(group, **{"group.instance.id": "one"})
    first.subscribe([topic])
    eventually("it owns both", lambda: (first.poll(0.1), len(first.assignment()) == 2)[1])
    again = consumer(group, **{"group.instance.id": "one"})
    again.subscribe([topic])
    eventually("the one that came back owns both", lambda: (again.poll(0.1), len(again.assignment()) == 2)[1])
    # The first was fenced: that is what its next poll tells.
    again.close()
    first.close()


def consumer_group():
    resume(new_protocol)
    shared(new_protocol)


def regex():
    prefix = unique("regex")
    topics_made = [f"{prefix}-a", f"{prefix}-b"]
    for topic in topics_made:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
        produce(topic, [b"x"])
    reader = new_protocol(unique("group"))
    reader.subscribe([f"^{prefix}.*"])
    found = {m.topic() for m in read(reader, 2)}
    reader.close()
    assert found == set(topics_made)


def transactions():
    topic = create(2)
    client = producer(**{"transactional.id": unique("tx"), "transaction.timeout.ms": 30000})
    client.init_transactions(30)
    for outcome, value in (("commit", b"c1"), ("abort", b"a1"), ("commit", b"c2")):
        client.begin_transaction()
        for partition in (0, 1):
            client.produce(topic, value, partition=partition)
        client.flush(20)
        if outcome == "commit":
            client.commit_transaction(30)
        else:
            client.abort_transaction(30)
    for partition in (0, 1):
        assert values_of(topic, 2, partition, **{"isolation.level": "read_committed"}) == [b"c1", b"c2"]
        assert values_of(topic, 3, partition, **{"isolation.level": "read_uncommitted"}) == [b"c1", b"a1", b"c2"]


def fencing():
    topic, name = create(), unique("tx")
    old = producer(**{"transactional.id": name})
    old.init_transactions(30)
    old.begin_transaction()
    old.produce(topic, b"zombie")
    old.flush(20)
    new = producer(**{"transactional.id": name})
    new.init_transactions(30)
    try:
        old.commit_transaction(30)
        raise AssertionError("a zombie committed")
    except KafkaException as refused:
        assert refused.args[0].fatal() or refused.args[0].txn_requires_abort(), refused
    new.begin_transaction()
    new.produce(topic, b"heir")
    new.commit_transaction(30)
    assert values_of(topic, 1, **{"isolation.level": "read_committed"}) == [b"heir"]


def offsets_in_transactions():
    source, target, group = create(), create(), unique("group")
    produce(source, [str(i).encode() for i in range(6)])
    client = producer(**{"transactional.id": unique("tx")})
    client.init_transactions(30)
    for outcome in ("abort", "commit"):
        reader = consumer(group, **{"isolation.level": "read_committed"})
        reader.subscribe([source])
        messages = read(reader, 6)
        client.begin_transaction()
        for message in messages:
            client.produce(target, message.value(), partition=0)
        client.send_offsets_to_transaction(
            [TopicPartition(source, 0, 6)], reader.consumer_group_metadata(), 30
        )
        client.abort_transaction(30) if outcome == "abort" else client.commit_transaction(30)
        reader.close()
    reader = consumer(group)
    [committed] = reader.committed([TopicPartition(source, 0)], 10)
    reader.close()
    assert committed.offset == 6, committed
    assert len(values_of(target, 6, **{"isolation.level": "read_committed"})) == 6


def configs():
    topic = create(1, **{"retention.ms": "1000000"})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    shown = admin.describe_configs([resource])[resource].result(20)
    assert shown["retention.ms"].value == "1000000", shown["retention.ms"]
    entry = ConfigEntry("max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([change])[change].result(20)
    assert admin.describe_configs([resource])[resource].result(20)["max.message.bytes"].value == "2000000"
    node = ConfigResource(ResourceType.BROKER, str(next(iter(admin.list_topics(timeout=10).brokers))))
    assert "num.partitions" in admin.describe_configs([node])[node].result(20)


def delete_records():
    topic = create()
    produce(topic, [str(i).encode() for i in range(10)])
    place = TopicPartition(topic, 0, 4)
    assert admin.delete_records([place])[place].result(20).low_watermark == 4


def group_administration():
    topic, group = create(), unique("group")
    produce(topic, [b"a", b"b"])
    reader = consumer(group)
    reader.subscribe([topic])
    read(reader, 2)
    reader.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    assert group in {g.group_id for g in admin.list_consumer_groups().result(20).valid}
    described = admin.describe_consumer_groups([group])[group].result(20)
    assert len(described.members) == 1, described
    reader.close()
    asked = ConsumerGroupTopicPartitions(group)
    offsets = admin.list_consumer_group_offsets([asked])[group].result(20)
    assert offsets.topic_partitions[0].offset == 2
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 1)])
    admin.alter_consumer_group_offsets([moved])[group].result(20)
    assert admin.list_consumer_group_offsets([asked])[group].result(20).topic_partitions[0].offset == 1
    admin.delete_consumer_groups([group])[group].result(20)


def cluster():
    described = admin.describe_cluster().result(20)
    assert described.controller is not None and len(described.nodes) >= 1


run(
    "confluent-kafka (librdkafka)",
    confluent_kafka.__version__,
    {
        "topics": topics,
        "cluster": cluster,
        **{f"codec {name}": codec(name) for name in CODECS},
        "idempotent producer": idempotent,
        "offsets by time": offsets_by_time,
        "classic group": classic_group,
        "cooperative rebalance": cooperative,
        "static membership": static_membership,
        "consumer group (KIP-848)": consumer_group,
        "regex subscription (KIP-848)": regex,
        "transactions": transactions,
        "fencing": fencing,
        "offsets in transactions": offsets_in_transactions,
        "configs": configs,
        "delete records": delete_records,
        "group administration": group_administration,
    },
)
