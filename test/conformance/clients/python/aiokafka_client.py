"""aiokafka against the broker that the first argument names."""

import asyncio
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from checks import CODECS, NotOffered, run, unique

BOOTSTRAP = sys.argv[1]


def checked(check):
    return lambda: asyncio.run(asyncio.wait_for(check(), 90))


async def admin_do(work):
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    try:
        return await work(admin)
    finally:
        await admin.close()


async def create(partitions=1):
    topic = unique("aiokafka")
    await admin_do(lambda admin: admin.create_topics([NewTopic(topic, partitions, 1)]))
    return topic


async def produce(topic, values, partition=0, headers=None, **settings):
    client = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **settings)
    await client.start()
    try:
        sent = [await client.send(topic, value, partition=partition, headers=headers) for value in values]
        await asyncio.gather(*sent)
    finally:
        await client.stop()


def consumer(*topics, group=None, **settings):
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=BOOTSTRAP,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        **settings,
    )


async def messages_of(topic, count, partition=0, offset=0, **settings):
    reader = consumer(**settings)
    await reader.start()
    try:
        place = TopicPartition(topic, partition)
        reader.assign([place])
        reader.seek(place, offset)
        return [await asyncio.wait_for(reader.getone(), 20) for _ in range(count)]
    finally:
        await reader.stop()


async def until(what, condition, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def topics():
    topic = await create(3)
    await admin_do(lambda admin: admin.create_partitions({topic: NewPartitions(5)}))
    [described] = await admin_do(lambda admin: admin.describe_topics([topic]))
    assert len(described["partitions"]) == 5, described
    await admin_do(lambda admin: admin.delete_topics([topic]))
    assert topic not in await admin_do(lambda admin: admin.list_topics())


async def cluster():
    described = await admin_do(lambda admin: admin.describe_cluster())
    assert described["brokers"], described


def codec(name):
    async def check():
        topic = await create()
        sent = [f"{i} {'x' * (i * 37 % 900)}".encode() for i in range(200)]
        await produce(topic, sent, headers=[("origin", b"conformance")], compression_type=None if name == "none" else name)
        found = await messages_of(topic, 200)
        assert [m.value for m in found] == sent
        assert list(found[7].headers) == [("origin", b"conformance")]

    return check


async def idempotent():
    topic = await create()
    sent = [str(i).encode() for i in range(500)]
    await produce(topic, sent, enable_idempotence=True)
    assert [m.value for m in await messages_of(topic, 500)] == sent


async def offsets_by_time():
    topic = await create()
    await produce(topic, [b"a"])
    await asyncio.sleep(0.05)
    between = int(time.time() * 1000)
    await asyncio.sleep(0.05)
    await produce(topic, [b"b"])
    place = TopicPartition(topic, 0)
    reader = consumer()
    await reader.start()
    try:
        assert (await reader.offsets_for_times({place: between}))[place].offset == 1
        assert (await reader.end_offsets([place]))[place] == 2
    finally:
        await reader.stop()


async def resume(**settings):
    topic, group = await create(), unique("group")
    await produce(topic, [str(i).encode() for i in range(10)])
    for expected in ([b"0", b"1", b"2", b"3"], [b"4", b"5", b"6", b"7", b"8", b"9"]):
        reader = consumer(topic, group=group, **settings)
        await reader.start()
        try:
            found = [await asyncio.wait_for(reader.getone(), 20) for _ in expected]
            assert [m.value for m in found] == expected
            await reader.commit({TopicPartition(topic, 0): found[-1].offset + 1})
        finally:
            await reader.stop()


async def shared(**settings):
    topic, group = await create(4), unique("group")
    first = consumer(topic, group=group, **settings)
    second = consumer(topic, group=group, **settings)
    await first.start()
    try:
        await until("the first owns all", lambda: len(first.assignment()) == 4)
        await second.start()
        try:
            await until("both own half", lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2)
        finally:
            await second.stop()
        await until("the first owns all again", lambda: len(first.assignment()) == 4)
    finally:
        await first.stop()


async def classic_group():
    await resume()
    await shared()
    await shared(partition_assignment_strategy=[StickyPartitionAssignor])


async def static_membership():
    topic, group = await create(2), unique("group")
    first = consumer(topic, group=group, group_instance_id="one")
    await first.start()
    await until("it owns both", lambda: len(first.assignment()) == 2)
    again = consumer(topic, group=group, group_instance_id="one")
    await again.start()
    try:
        await until("the one that came back owns both", lambda: len(again.assignment()) == 2)
    finally:
        await again.stop()
        await first.stop()


async def transactions():
    topic = await create(2)
    client = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=unique("tx"))
    await client.start()
    try:
        for outcome, value in (("commit", b"c1"), ("abort", b"a1"), ("commit", b"c2")):
            await client.begin_transaction()
            for partition in (0, 1):
                await client.send_and_wait(topic, value, partition=partition)
            await (client.commit_transaction() if outcome == "commit" else client.abort_transaction())
    finally:
        await client.stop()
    for partition in (0, 1):
        found = await messages_of(topic, 2, partition, isolation_level="read_committed")
        assert [m.value for m in found] == [b"c1", b"c2"]
        found = await messages_of(topic, 3, partition, isolation_level="read_uncommitted")
        assert [m.value for m in found] == [b"c1", b"a1", b"c2"]


async def fencing():
    topic, name = await create(), unique("tx")
    old = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=name)
    await old.start()
    await old.begin_transaction()
    await old.send_and_wait(topic, b"zombie", partition=0)
    new = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=name)
    await new.start()
    try:
        await old.commit_transaction()
        raise AssertionError("a zombie committed")
    except KafkaError:
        pass
    await new.begin_transaction()
    await new.send_and_wait(topic, b"heir", partition=0)
    await new.commit_transaction()
    await new.stop()
    try:
        await old.stop()
    except KafkaError:
        pass
    assert [m.value for m in await messages_of(topic, 1, isolation_level="read_committed")] == [b"heir"]


async def offsets_in_transactions():
    source, target, group = await create(), await create(), unique("group")
    await produce(source, [str(i).encode() for i in range(6)])
    client = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=unique("tx"))
    await client.start()
    try:
        for outcome in ("abort", "commit"):
            reader = consumer(source, group=group, isolation_level="read_committed")
            await reader.start()
            found = [await asyncio.wait_for(reader.getone(), 20) for _ in range(6)]
            await client.begin_transaction()
            for message in found:
                await client.send_and_wait(target, message.value, partition=0)
            await client.send_offsets_to_transaction({TopicPartition(source, 0): 6}, group)
            await (client.commit_transaction() if outcome == "commit" else client.abort_transaction())
            await reader.stop()
    finally:
        await client.stop()
    reader = consumer(group=group)
    await reader.start()
    committed = await reader.committed(TopicPartition(source, 0))
    await reader.stop()
    assert committed == 6, committed
    assert len(await messages_of(target, 6, isolation_level="read_committed")) == 6


async def configs():
    topic = await create()
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    await admin_do(
        lambda admin: admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1000000"})])
    )
    [answer] = await admin_do(lambda admin: admin.describe_configs([resource]))
    shown = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert shown["retention.ms"] == "1000000", shown["retention.ms"]


async def delete_records():
    topic = await create()
    await produce(topic, [str(i).encode() for i in range(10)])
    place = TopicPartition(topic, 0)
    deleted = await admin_do(lambda admin: admin.delete_records({place: RecordsToDelete(before_offset=4)}))
    assert deleted[place] == 4, deleted


async def group_administration():
    topic, group = await create(), unique("group")
    await produce(topic, [b"a", b"b"])
    reader = consumer(topic, group=group)
    await reader.start()
    for _ in range(2):
        await asyncio.wait_for(reader.getone(), 20)
    await reader.commit({TopicPartition(topic, 0): 2})
    listed = await admin_do(lambda admin: admin.list_consumer_groups())
    assert group in {name for name, _ in listed}
    [described] = await admin_do(lambda admin: admin.describe_consumer_groups([group]))
    assert len(described.groups[0][5]) == 1, described
    await reader.stop()
    offsets = await admin_do(lambda admin: admin.list_consumer_group_offsets(group))
    assert offsets[TopicPartition(topic, 0)].offset == 2


async def newer_group():
    raise NotOffered("aiokafka speaks the classic protocol only")


run(
    "aiokafka",
    aiokafka.__version__,
    {
        "topics": checked(topics),
        "cluster": checked(cluster),
        **{f"codec {name}": checked(codec(name)) for name in CODECS},
        "idempotent producer": checked(idempotent),
        "offsets by time": checked(offsets_by_time),
        "classic group": checked(classic_group),
        "static membership": checked(static_membership),
        "consumer group (KIP-848)": checked(newer_group),
        "transactions": checked(transactions),
        "fencing": checked(fencing),
        "offsets in transactions": checked(offsets_in_transactions),
        "configs": checked(configs),
        "delete records": checked(delete_records),
        "group administration": checked(group_administration),
    },
)
