import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Share groups (KIP-932): records are acquired, acknowledged, and given again when they are not. */
final class ShareChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("share: implicit acknowledgement", () -> implicit(cluster));
        checks.add("share: accept", () -> accept(cluster));
        checks.add("share: release gives the record again", () -> release(cluster));
        checks.add("share: reject does not", () -> reject(cluster));
        checks.add("share: a record is given five times at most", () -> deliveryCount(cluster));
        checks.add("share: a lock that runs out gives the record again", () -> lockTimeout(cluster));
        checks.add("share: renewing keeps the lock", () -> renew(cluster));
        checks.add("share: two consumers share one partition", () -> two(cluster));
        checks.add("share: a consumer that closes releases what it holds", () -> close(cluster));
        checks.add("share: several partitions", () -> partitions(cluster));
        checks.add("share: asynchronous commit calls back", () -> commitAsync(cluster));
        checks.add("share: starts at the end by default", () -> latest(cluster));
        checks.add("share: read_committed", () -> readCommitted(cluster));
        checks.add("share: state outlives the members", () -> resume(cluster));
    }

    private static final String[] EXPLICIT = {"share.acknowledgement.mode", "explicit"};

    /** A group with a name of its own that starts at the beginning; `settings` are of the group. */
    static String group(Cluster cluster, String... settings) throws Exception {
        String group = Cluster.unique("share");
        try (Admin admin = cluster.admin()) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
            AdminChecks.alter(admin, resource, AlterConfigOp.OpType.SET, "share.auto.offset.reset", "earliest");
            for (int i = 0; i < settings.length; i += 2) {
                AdminChecks.alter(admin, resource, AlterConfigOp.OpType.SET, settings[i], settings[i + 1]);
            }
        }
        return group;
    }

    static KafkaShareConsumer<String, String> consumer(Cluster cluster, String group, String topic, String... settings) {
        Map<String, Object> all = cluster.settings(GroupChecks.with(settings, "group.id", group));
        KafkaShareConsumer<String, String> consumer =
                new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** The records of the first poll that gives any. */
    static List<ConsumerRecord<String, String>> poll(KafkaShareConsumer<String, String> consumer) {
        long deadline = System.currentTimeMillis() + Cluster.WAIT.toMillis();
        while (System.currentTimeMillis() < deadline) {
            List<ConsumerRecord<String, String>> read = new ArrayList<>();
            consumer.poll(Cluster.POLL).forEach(read::add);
            if (!read.isEmpty()) return read;
        }
        throw new AssertionError("no record within " + Cluster.WAIT);
    }

    private static List<String> pollValues(KafkaShareConsumer<String, String> consumer) {
        return Cluster.valuesOf(poll(consumer));
    }

    private static void nothing(KafkaShareConsumer<String, String> consumer, long forMs) {
        long deadline = System.currentTimeMillis() + forMs;
        while (System.currentTimeMillis() < deadline) {
            consumer.poll(Cluster.POLL).forEach(record -> {
                throw new AssertionError("unexpected: " + record.value());
            });
        }
    }

    private static void commit(KafkaShareConsumer<String, String> consumer) {
        consumer.commitSync().forEach((partition, error) -> error.ifPresent(failure -> {
            throw failure;
        }));
    }

    private static void all(
            KafkaShareConsumer<String, String> consumer, List<ConsumerRecord<String, String>> records, AcknowledgeType type) {
        records.forEach(record -> consumer.acknowledge(record, type));
    }

    private static void implicit(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 10);
        String group = group(cluster);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic)) {
            Expect.equal(Cluster.values(0, 10), pollValues(consumer), "records");
            // The next poll acknowledges what the last one gave.
            nothing(consumer, 1000);
            cluster.fill(topic, 1, 10, 5);
            Expect.equal(Cluster.values(10, 5), pollValues(consumer), "new records");
            commit(consumer);
        }
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic)) {
            cluster.fill(topic, 1, 15, 1);
            Expect.equal(List.of("v15"), pollValues(consumer), "what was not acknowledged");
        }
    }

    private static void accept(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 5);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group(cluster), topic, EXPLICIT)) {
            List<ConsumerRecord<String, String>> records = poll(consumer);
            Expect.equal(Cluster.values(0, 5), Cluster.valuesOf(records), "records");
            Expect.equal((short) 1, records.get(0).deliveryCount().get(), "delivery count");
            all(consumer, records, AcknowledgeType.ACCEPT);
            commit(consumer);
            nothing(consumer, 1000);
        }
    }

    private static void release(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 6);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group(cluster), topic, EXPLICIT)) {
            for (ConsumerRecord<String, String> record : poll(consumer)) {
                consumer.acknowledge(record, record.offset() % 2 == 0 ? AcknowledgeType.ACCEPT : AcknowledgeType.RELEASE);
            }
            commit(consumer);
            List<ConsumerRecord<String, String>> again = new ArrayList<>();
            while (again.size() < 3) {
                List<ConsumerRecord<String, String>> more = poll(consumer);
                all(consumer, more, AcknowledgeType.ACCEPT);
                again.addAll(more);
            }
            Expect.equal(List.of("v1", "v3", "v5"), Cluster.valuesOf(again), "what was released");
            Expect.equal((short) 2, again.get(0).deliveryCount().get(), "delivery count");
            commit(consumer);
        }
    }

    private static void reject(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 3);
        String group = group(cluster);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic, EXPLICIT)) {
            all(consumer, poll(consumer), AcknowledgeType.REJECT);
            commit(consumer);
            nothing(consumer, 1000);
            cluster.fill(topic, 1, 3, 1);
            List<ConsumerRecord<String, String>> next = poll(consumer);
            Expect.equal(List.of("v3"), Cluster.valuesOf(next), "the next record");
            all(consumer, next, AcknowledgeType.ACCEPT);
        }
    }

    private static void deliveryCount(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 1);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group(cluster), topic, EXPLICIT)) {
            for (int i = 1; i <= 5; i++) {
                List<ConsumerRecord<String, String>> records = poll(consumer);
                Expect.equal((short) i, records.get(0).deliveryCount().get(), "delivery count");
                all(consumer, records, AcknowledgeType.RELEASE);
                commit(consumer);
            }
            nothing(consumer, 2000);
        }
    }

    private static void lockTimeout(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 2);
        String group = group(cluster, "share.record.lock.duration.ms", "15000");
        try (KafkaShareConsumer<String, String> slow = consumer(cluster, group, topic, EXPLICIT)) {
            Expect.equal(2, poll(slow).size(), "records");
            Expect.equal(15_000, slow.acquisitionLockTimeoutMs().orElse(-1), "lock that the consumer is told of");
            long start = System.currentTimeMillis();
            try (KafkaShareConsumer<String, String> other = consumer(cluster, group, topic, EXPLICIT)) {
                List<ConsumerRecord<String, String>> again = poll(other);
                long waited = System.currentTimeMillis() - start;
                Expect.isTrue(waited > 12_000, "given again after " + waited + " ms only");
                Expect.equal((short) 2, again.get(0).deliveryCount().get(), "delivery count");
                all(other, again, AcknowledgeType.ACCEPT);
                commit(other);
            }
        }
    }

    private static void renew(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 1);
        String group = group(cluster, "share.record.lock.duration.ms", "15000");
        try (KafkaShareConsumer<String, String> slow = consumer(cluster, group, topic, EXPLICIT);
                KafkaShareConsumer<String, String> other = consumer(cluster, group, topic, EXPLICIT)) {
            List<ConsumerRecord<String, String>> held = poll(slow);
            for (int i = 0; i < 2; i++) {
                nothing(other, 9000);
                all(slow, held, AcknowledgeType.RENEW);
                commit(slow);
                // Whoever renewed a record is given it again, from its own memory.
                held = poll(slow);
                Expect.equal((short) 1, held.get(0).deliveryCount().get(), "delivery count");
            }
            nothing(other, 5000);
            all(slow, held, AcknowledgeType.ACCEPT);
            commit(slow);
        }
    }

    private static void two(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String group = group(cluster);
        String[] few = {"max.poll.records", "5", "share.acquire.mode", "record_limit"};
        Set<String> read = new TreeSet<>();
        try (KafkaShareConsumer<String, String> first = consumer(cluster, group, topic, few);
                KafkaShareConsumer<String, String> second = consumer(cluster, group, topic, few)) {
            first.poll(Duration.ofSeconds(3));
            second.poll(Duration.ofSeconds(3));
            cluster.fill(topic, 1, 100);
            int[] counts = {0, 0};
            Expect.eventually("all are read", () -> {
                for (int i = 0; i < 2; i++) {
                    for (ConsumerRecord<String, String> record : (i == 0 ? first : second).poll(Cluster.POLL)) {
                        Expect.isTrue(read.add(record.value()), record.value() + " came twice");
                        counts[i]++;
                    }
                }
                return read.size() == 100;
            });
            Expect.isTrue(counts[0] > 0 && counts[1] > 0, "both got some: " + counts[0] + " and " + counts[1]);
        }
    }

    private static void close(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 3);
        String group = group(cluster);
        KafkaShareConsumer<String, String> first = consumer(cluster, group, topic, EXPLICIT);
        Expect.equal(3, poll(first).size(), "records");
        first.close();
        try (KafkaShareConsumer<String, String> second = consumer(cluster, group, topic, EXPLICIT)) {
            long start = System.currentTimeMillis();
            List<ConsumerRecord<String, String>> again = poll(second);
            Expect.equal(Cluster.values(0, 3), Cluster.valuesOf(again), "records");
            Expect.isTrue(System.currentTimeMillis() - start < 20_000, "well before the lock runs out");
            all(second, again, AcknowledgeType.ACCEPT);
        }
    }

    private static void partitions(Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        cluster.fill(topic, 4, 400);
        Set<String> read = new TreeSet<>();
        Set<Integer> places = new TreeSet<>();
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group(cluster), topic)) {
            while (read.size() < 400) {
                for (ConsumerRecord<String, String> record : poll(consumer)) {
                    Expect.isTrue(read.add(record.value()), record.value() + " came twice");
                    places.add(record.partition());
                }
            }
        }
        Expect.equal(Set.of(0, 1, 2, 3), places, "partitions");
    }

    private static void commitAsync(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 3);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group(cluster), topic, EXPLICIT)) {
            CompletableFuture<String> done = new CompletableFuture<>();
            consumer.setAcknowledgementCommitCallback((offsets, error) -> done.complete(
                    error + " " + offsets.values().stream().flatMap(Set::stream).sorted().collect(Collectors.toList())));
            all(consumer, poll(consumer), AcknowledgeType.ACCEPT);
            consumer.commitAsync();
            Expect.eventually("the callback is called", () -> {
                consumer.poll(Cluster.POLL);
                return done.isDone();
            });
            Expect.equal("null [0, 1, 2]", done.get(), "what the callback is told");
        }
    }

    private static void latest(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 3);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, Cluster.unique("share"), topic)) {
            List<String> read = new ArrayList<>();
            for (int next = 3; read.isEmpty() && next < 100; next++) {
                consumer.poll(Duration.ofMillis(500)).forEach(record -> read.add(record.value()));
                cluster.fill(topic, 1, next, 1);
            }
            Expect.isTrue(!read.isEmpty() && !Cluster.values(0, 3).contains(read.get(0)), "only new records: " + read);
        }
    }

    private static void readCommitted(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String group = group(cluster, "share.isolation.level", "read_committed");
        try (KafkaProducer<String, String> producer = cluster.producer("transactional.id", Cluster.unique("tx"));
                KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic)) {
            producer.initTransactions();
            producer.beginTransaction();
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "aborted")));
            nothing(consumer, 3000);
            producer.abortTransaction();
            producer.beginTransaction();
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "committed")));
            producer.commitTransaction();
            Expect.equal(List.of("committed"), pollValues(consumer), "records");
        }
    }

    private static void resume(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 4);
        String group = group(cluster);
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic, EXPLICIT)) {
            for (ConsumerRecord<String, String> record : poll(consumer)) {
                consumer.acknowledge(record, record.offset() == 1 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
            }
            commit(consumer);
        }
        try (KafkaShareConsumer<String, String> consumer = consumer(cluster, group, topic, EXPLICIT)) {
            List<ConsumerRecord<String, String>> rest = poll(consumer);
            Expect.equal(List.of("v1"), Cluster.valuesOf(rest), "what was left");
            all(consumer, rest, AcknowledgeType.ACCEPT);
        }
    }
}
