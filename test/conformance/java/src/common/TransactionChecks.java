import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTxnTimeoutException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;

/** Transactions as a client sees them: clients before 4.0 speak the first protocol, later ones that of KIP-890. */
final class TransactionChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("transactions: commit shows all, over several partitions", () -> commit(cluster));
        checks.add("transactions: abort shows nothing to read_committed", () -> abort(cluster));
        checks.add("transactions: an open one holds read_committed back", () -> open(cluster));
        checks.add("transactions: two at once in one partition", () -> interleaved(cluster));
        checks.add("transactions: many in a row, some aborted, some empty", () -> many(cluster));
        checks.add("transactions: a second producer fences the first", () -> fence(cluster));
        checks.add("transactions: a crashed producer's is aborted by its successor", () -> successor(cluster));
        checks.add("transactions: time out", () -> timeout(cluster));
        checks.add("transactions: timeout beyond the broker's is refused", () -> timeoutTooLong(cluster));
        for (String protocol : List.of("classic", "consumer")) {
            String name = "transactions (group " + protocol + "): ";
            checks.add(name + "offsets commit and abort with them", () -> offsets(cluster, protocol));
            checks.add(name + "pending offsets make a reader of them wait", () -> pending(cluster, protocol));
            checks.add(name + "read, process, write exactly once", () -> copy(cluster, protocol));
            checks.add(name + "offsets of a member that was replaced are refused", () -> zombie(cluster, protocol));
        }
        checks.add("transactions: epoch of the producer between transactions", () -> epochs(cluster));
    }

    private static KafkaProducer<String, String> begin(Cluster cluster, String id, String... more) {
        String[] settings = GroupChecks.with(new String[] {"transactional.id", id, "max.block.ms", "30000"}, more);
        KafkaProducer<String, String> producer = cluster.producer(settings);
        try {
            producer.initTransactions();
            producer.beginTransaction();
            return producer;
        } catch (RuntimeException error) {
            producer.close(Duration.ZERO);
            throw error;
        }
    }

    private static void send(KafkaProducer<String, String> producer, String topic, String... values) throws Exception {
        for (String value : values) Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", value)));
    }

    private static List<String> committed(Cluster cluster, String topic, int count) throws Exception {
        return cluster.readValues(topic, count, "isolation.level", "read_committed");
    }

    private static void commit(Cluster cluster) throws Exception {
        List<String> topics = List.of(cluster.topic(1), cluster.topic(1), cluster.topic(1));
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"))) {
            for (String topic : topics) send(producer, topic, "a", "b");
            producer.commitTransaction();
        }
        for (String topic : topics) Expect.equal(List.of("a", "b"), committed(cluster, topic, 2), "committed");
    }

    private static void abort(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"))) {
            send(producer, topic, "no", "no");
            producer.abortTransaction();
            producer.beginTransaction();
            send(producer, topic, "yes");
            producer.commitTransaction();
        }
        Expect.equal(List.of("yes"), committed(cluster, topic, 1), "read_committed");
        Expect.equal(List.of("no", "no", "yes"), cluster.readValues(topic, 3), "read_uncommitted");
    }

    private static void open(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String[] settings = {"isolation.level", "read_committed"};
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"));
                KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.assign(List.of(partition));
            send(producer, topic, "open");
            cluster.fill(topic, 1, 3);
            Expect.equal(0L, consumer.endOffsets(List.of(partition)).get(partition), "last stable offset");
            Expect.isTrue(consumer.poll(Duration.ofSeconds(2)).isEmpty(), "nothing is readable");
            Expect.equal(List.of("open", "v0", "v1", "v2"), cluster.readValues(topic, 4), "read_uncommitted");
            producer.commitTransaction();
            Expect.equal(List.of("open", "v0", "v1", "v2"), Cluster.valuesOf(Cluster.poll(consumer, 4)), "read_committed");
            // The marker that ends a transaction takes an offset.
            Expect.equal(5L, consumer.endOffsets(List.of(partition)).get(partition), "last stable offset at last");
        }
    }

    private static void interleaved(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> first = begin(cluster, Cluster.unique("tx"));
                KafkaProducer<String, String> second = begin(cluster, Cluster.unique("tx"))) {
            send(first, topic, "first 1");
            send(second, topic, "second 1");
            send(first, topic, "first 2");
            second.commitTransaction();
            second.beginTransaction();
            send(second, topic, "second 2");
            first.abortTransaction();
            second.commitTransaction();
        }
        Expect.equal(List.of("second 1", "second 2"), committed(cluster, topic, 2), "read_committed");
    }

    private static void many(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        List<String> expected = new ArrayList<>();
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"))) {
            for (int i = 0; i < 40; i++) {
                if (i > 0) producer.beginTransaction();
                if (i % 5 != 4) producer.send(new ProducerRecord<>(topic, 0, "k", "v" + i));
                if (i % 3 == 2) producer.abortTransaction();
                else {
                    producer.commitTransaction();
                    if (i % 5 != 4) expected.add("v" + i);
                }
            }
        }
        Expect.equal(expected, committed(cluster, topic, expected.size()), "read_committed");
    }

    private static void fence(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String id = Cluster.unique("tx");
        try (KafkaProducer<String, String> first = begin(cluster, id)) {
            send(first, topic, "first");
            try (KafkaProducer<String, String> second = begin(cluster, id)) {
                Expect.fails(ProducerFencedException.class, () -> {
                    first.commitTransaction();
                    return null;
                });
                send(second, topic, "second");
                second.commitTransaction();
            }
        }
        Expect.equal(List.of("second"), committed(cluster, topic, 1), "read_committed");
    }

    private static void successor(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String id = Cluster.unique("tx");
        // Closed without waiting, a producer leaves its transaction open, as a crash would.
        KafkaProducer<String, String> crashed = begin(cluster, id, "transaction.timeout.ms", "60000");
        send(crashed, topic, "lost");
        crashed.close(Duration.ZERO);
        try (KafkaProducer<String, String> next = begin(cluster, id)) {
            send(next, topic, "kept");
            next.commitTransaction();
        }
        Expect.equal(List.of("kept"), committed(cluster, topic, 1), "read_committed");
    }

    private static void timeout(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String[] committed = {"isolation.level", "read_committed"};
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"), "transaction.timeout.ms", "2000");
                KafkaConsumer<String, String> consumer = cluster.consumer(committed)) {
            send(producer, topic, "late");
            Expect.eventually("the broker aborts it", () -> consumer.endOffsets(List.of(partition)).get(partition) == 2L);
            Expect.fails(KafkaException.class, () -> {
                send(producer, topic, "later");
                producer.commitTransaction();
                return null;
            });
        }
        Expect.equal(List.of(), committed(cluster, topic, 0), "read_committed");
    }

    private static void timeoutTooLong(Cluster cluster) throws Exception {
        String[] settings = {"transactional.id", Cluster.unique("tx"), "transaction.timeout.ms", "99000000"};
        try (KafkaProducer<String, String> producer = cluster.producer(settings)) {
            // Newer clients give the broker's text in an exception without a type of its own.
            Expect.fails(KafkaException.class, error -> error instanceof InvalidTxnTimeoutException
                    || String.valueOf(error.getMessage()).contains("timeout is larger than the maximum"), () -> {
                producer.initTransactions();
                return null;
            });
        }
    }

    /** Joins, reads everything there is, and gives what a producer needs to commit for it. */
    private static KafkaConsumer<String, String> reader(Cluster cluster, String protocol, String group, String topic, int records)
            throws Exception {
        String[] settings = {"group.id", group, "isolation.level", "read_committed"};
        KafkaConsumer<String, String> consumer = cluster.consumer(GroupChecks.with(GroupChecks.settings(protocol), settings));
        consumer.subscribe(List.of(topic));
        Cluster.poll(consumer, records);
        return consumer;
    }

    private static long offset(Cluster cluster, String group, TopicPartition partition) {
        try (KafkaConsumer<String, String> consumer = cluster.consumer("group.id", group)) {
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            return committed == null ? -1 : committed.offset();
        }
    }

    private static void offsets(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        String group = Cluster.unique("g");
        TopicPartition partition = new TopicPartition(topic, 0);
        cluster.fill(topic, 1, 5);
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"));
                KafkaConsumer<String, String> consumer = reader(cluster, protocol, group, topic, 5)) {
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(2)), consumer.groupMetadata());
            producer.abortTransaction();
            Expect.equal(-1L, offset(cluster, group, partition), "offset after the abort");
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(3)), consumer.groupMetadata());
            producer.commitTransaction();
            Expect.equal(3L, offset(cluster, group, partition), "offset after the commit");
        }
    }

    private static void pending(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = Cluster.unique("g");
        cluster.fill(topic, 1, 5);
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"));
                KafkaConsumer<String, String> consumer = reader(cluster, protocol, group, topic, 5)) {
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(5)), consumer.groupMetadata());
            try (KafkaConsumer<String, String> other = cluster.consumer("group.id", group)) {
                Expect.fails(TimeoutException.class, () -> other.committed(Set.of(partition), Duration.ofSeconds(3)));
            }
            producer.commitTransaction();
            Expect.equal(5L, offset(cluster, group, partition), "offset after the commit");
        }
    }

    /** Each generation of a copier commits one batch, and dies after it has sent another and before it commits. */
    private static void copy(Cluster cluster, String protocol) throws Exception {
        String input = cluster.topic(1);
        String output = cluster.topic(1);
        String group = Cluster.unique("g");
        String id = Cluster.unique("tx");
        cluster.fill(input, 1, 60);
        String[] settings = GroupChecks.with(GroupChecks.settings(protocol), "group.id", group, "max.poll.records", "10");
        for (int copied = 0; copied < 60; ) {
            try (KafkaProducer<String, String> producer = begin(cluster, id);
                    KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
                consumer.subscribe(List.of(input));
                List<ConsumerRecord<String, String>> batch = Cluster.poll(consumer, 1);
                forward(producer, output, batch);
                long next = batch.get(batch.size() - 1).offset() + 1;
                Map<TopicPartition, OffsetAndMetadata> done = Map.of(new TopicPartition(input, 0), new OffsetAndMetadata(next));
                producer.sendOffsetsToTransaction(done, consumer.groupMetadata());
                producer.commitTransaction();
                copied += batch.size();
                producer.beginTransaction();
                if (copied < 60) forward(producer, output, Cluster.poll(consumer, 1));
                producer.close(Duration.ZERO);
            }
        }
        Expect.equal(Cluster.values(0, 60), committed(cluster, output, 60), "copied once and in order");
    }

    private static void forward(
            KafkaProducer<String, String> producer, String topic, List<ConsumerRecord<String, String>> records) throws Exception {
        for (ConsumerRecord<String, String> record : records) {
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, record.key(), record.value())));
        }
    }

    private static void zombie(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = Cluster.unique("g");
        cluster.fill(topic, 1, 5);
        ConsumerGroupMetadata old;
        try (KafkaConsumer<String, String> consumer = reader(cluster, protocol, group, topic, 5)) {
            old = consumer.groupMetadata();
        }
        try (KafkaProducer<String, String> producer = begin(cluster, Cluster.unique("tx"));
                KafkaConsumer<String, String> consumer = reader(cluster, protocol, group, topic, 5)) {
            Expect.fails(KafkaException.class, error -> error.getClass().getSimpleName().equals("CommitFailedException"), () -> {
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(5)), old);
                producer.commitTransaction();
                return null;
            });
            producer.abortTransaction();
            Expect.equal(-1L, offset(cluster, group, partition), "offset");
        }
    }

    /** KIP-890 raises the epoch with every transaction, so that nothing of an old one can reach a new one. */
    private static void epochs(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String id = Cluster.unique("tx");
        boolean raised = !org.apache.kafka.common.utils.AppInfoParser.getVersion().startsWith("3.");
        try (KafkaProducer<String, String> producer = begin(cluster, id); Admin admin = cluster.admin()) {
            List<Integer> epochs = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                if (i > 0) producer.beginTransaction();
                send(producer, topic, "v" + i);
                TransactionDescription open = Cluster.await(admin.describeTransactions(List.of(id)).description(id));
                epochs.add(open.producerEpoch());
                Expect.equal("Ongoing", open.state().toString(), "state");
                Expect.equal(Set.of(new TopicPartition(topic, 0)), open.topicPartitions(), "partitions");
                producer.commitTransaction();
            }
            int rise = raised ? 1 : 0;
            List<Integer> expected = List.of(0, 1, 2).stream().map(i -> epochs.get(0) + i * rise).collect(Collectors.toList());
            Expect.equal(expected, epochs, "epochs");
        }
    }
}
