import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** A consumer without a group, or alone in one: reading, positions, times, commits. */
final class ConsumerChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("consumer: assign, seek, position", () -> seek(cluster));
        checks.add("consumer: beginning and end offsets", () -> ends(cluster));
        checks.add("consumer: offsets for times", () -> times(cluster));
        checks.add("consumer: small fetches lose nothing", () -> smallFetches(cluster));
        checks.add("consumer: pause and resume", () -> pause(cluster));
        checks.add("consumer: position out of range", () -> outOfRange(cluster));
        checks.add("consumer: no offset and no reset policy", () -> noReset(cluster));
        checks.add("consumer: partitions and topics", () -> partitions(cluster));
        checks.add("consumer: waits for new records", () -> tail(cluster));
        for (String protocol : List.of("classic", "consumer")) {
            String name = "group (" + protocol + "): ";
            checks.add(name + "subscribe, commit, resume", () -> resume(cluster, protocol));
            checks.add(name + "asynchronous commit with metadata", () -> commitAsync(cluster, protocol));
            checks.add(name + "automatic commit", () -> autoCommit(cluster, protocol));
            checks.add(name + "pattern finds topics created later", () -> pattern(cluster, protocol));
        }
    }

    private static TopicPartition first(String topic) {
        return new TopicPartition(topic, 0);
    }

    private static void seek(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 100);
        TopicPartition partition = first(topic);
        try (KafkaConsumer<String, String> consumer = cluster.consumer("max.poll.records", "10")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 42);
            Expect.equal("v42", Cluster.poll(consumer, 1).get(0).value(), "record at 42");
            Expect.equal(52L, consumer.position(partition), "position after ten records");
            consumer.seekToEnd(List.of(partition));
            Expect.equal(100L, consumer.position(partition), "position at the end");
            consumer.seekToBeginning(List.of(partition));
            Expect.equal("v0", Cluster.poll(consumer, 1).get(0).value(), "first record");
        }
    }

    private static void ends(Cluster cluster) throws Exception {
        String topic = cluster.topic(3);
        cluster.fill(topic, 3, 9);
        List<TopicPartition> all = new ArrayList<>();
        Map<TopicPartition, Long> begin = new HashMap<>();
        Map<TopicPartition, Long> end = new HashMap<>();
        for (int i = 0; i < 3; i++) {
            TopicPartition partition = new TopicPartition(topic, i);
            all.add(partition);
            begin.put(partition, 0L);
            end.put(partition, 3L);
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer()) {
            Expect.equal(begin, consumer.beginningOffsets(all), "beginning offsets");
            Expect.equal(end, consumer.endOffsets(all), "end offsets");
        }
    }

    private static void times(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        long start = System.currentTimeMillis() - 1_000_000;
        try (KafkaProducer<String, String> producer = cluster.producer("linger.ms", "50")) {
            for (int i = 0; i < 50; i++) producer.send(new ProducerRecord<>(topic, 0, start + i * 1000, "k", "v" + i));
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer()) {
            OffsetAndTimestamp exact = consumer.offsetsForTimes(Map.of(first(topic), start + 20_000)).get(first(topic));
            Expect.equal(20L, exact.offset(), "offset at an exact time, inside a batch");
            Expect.equal(start + 20_000, exact.timestamp(), "its timestamp");
            OffsetAndTimestamp between = consumer.offsetsForTimes(Map.of(first(topic), start + 20_001)).get(first(topic));
            Expect.equal(21L, between.offset(), "offset between two times");
            Expect.equal(null, consumer.offsetsForTimes(Map.of(first(topic), start + 900_000)).get(first(topic)), "after all");
        }
    }

    private static void smallFetches(Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        cluster.fill(topic, 4, 2000);
        String[] settings = {"fetch.max.bytes", "500", "max.partition.fetch.bytes", "300", "max.poll.records", "7"};
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int i = 0; i < 4; i++) all.add(new TopicPartition(topic, i));
            consumer.assign(all);
            Map<Integer, Long> next = new HashMap<>();
            for (ConsumerRecord<String, String> record : Cluster.poll(consumer, 2000)) {
                Expect.equal(next.getOrDefault(record.partition(), 0L), record.offset(), "next offset");
                next.put(record.partition(), record.offset() + 1);
            }
            Expect.equal(Set.of(500L), Set.copyOf(next.values()), "records of each partition");
        }
    }

    private static void pause(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        cluster.fill(topic, 2, 20);
        TopicPartition paused = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = cluster.consumer()) {
            consumer.assign(List.of(first(topic), paused));
            consumer.pause(List.of(paused));
            for (ConsumerRecord<String, String> record : Cluster.poll(consumer, 10)) {
                Expect.equal(0, record.partition(), "partition of a record");
            }
            consumer.resume(List.of(paused));
            Expect.equal(10, Cluster.poll(consumer, 10).size(), "records of the resumed partition");
        }
    }

    private static void outOfRange(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 5);
        try (KafkaConsumer<String, String> consumer = cluster.consumer("auto.offset.reset", "none")) {
            consumer.assign(List.of(first(topic)));
            consumer.seek(first(topic), 1000);
            Expect.fails(OffsetOutOfRangeException.class, () -> Cluster.poll(consumer, 1));
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer("auto.offset.reset", "earliest")) {
            consumer.assign(List.of(first(topic)));
            consumer.seek(first(topic), 1000);
            Expect.equal("v0", Cluster.poll(consumer, 1).get(0).value(), "first record after the reset");
        }
    }

    private static void noReset(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String[] settings = {"auto.offset.reset", "none", "group.id", Cluster.unique("g")};
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.assign(List.of(first(topic)));
            Expect.fails(NoOffsetForPartitionException.class, () -> Cluster.poll(consumer, 1));
        }
    }

    private static void partitions(Cluster cluster) throws Exception {
        String topic = cluster.topic(5);
        try (KafkaConsumer<String, String> consumer = cluster.consumer("allow.auto.create.topics", "false")) {
            Expect.equal(5, consumer.partitionsFor(topic).size(), "partitions");
            Expect.isTrue(consumer.partitionsFor(topic).get(0).leader() != null, "a leader");
            Expect.equal(5, consumer.listTopics().get(topic).size(), "partitions as listed");
            String absent = Cluster.unique("absent");
            try {
                List<?> none = consumer.partitionsFor(absent);
                Expect.isTrue(none == null || none.isEmpty(), "no partitions of an absent topic");
            } catch (UnknownTopicOrPartitionException unknown) {
                // Which of the two it is depends on the version of the client.
            }
        }
    }

    private static void tail(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaConsumer<String, String> consumer = cluster.consumer("fetch.max.wait.ms", "20000")) {
            consumer.assign(List.of(first(topic)));
            consumer.poll(Duration.ofMillis(500));
            cluster.fill(topic, 1, 1);
            long start = System.currentTimeMillis();
            Cluster.poll(consumer, 1);
            long waited = System.currentTimeMillis() - start;
            Expect.isTrue(waited < 10_000, "the record came only after " + waited + " ms");
        }
    }

    private static String[] group(String protocol, String group, String... more) {
        List<String> all = new ArrayList<>(List.of("group.id", group, "group.protocol", protocol));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }

    private static void resume(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        String group = Cluster.unique("g");
        cluster.fill(topic, 1, 10);
        try (KafkaConsumer<String, String> consumer = cluster.consumer(group(protocol, group, "max.poll.records", "4"))) {
            consumer.subscribe(List.of(topic));
            Expect.equal(Cluster.values(0, 4), Cluster.valuesOf(Cluster.poll(consumer, 4)), "first four");
            consumer.commitSync();
            Expect.equal(4L, consumer.committed(Set.of(first(topic))).get(first(topic)).offset(), "committed");
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer(group(protocol, group))) {
            consumer.subscribe(List.of(topic));
            Expect.equal(Cluster.values(4, 6), Cluster.valuesOf(Cluster.poll(consumer, 6)), "the other six");
        }
    }

    private static void commitAsync(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 3);
        try (KafkaConsumer<String, String> consumer = cluster.consumer(group(protocol, Cluster.unique("g")))) {
            consumer.subscribe(List.of(topic));
            Cluster.poll(consumer, 3);
            CompletableFuture<Exception> done = new CompletableFuture<>();
            Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(first(topic), new OffsetAndMetadata(2, "a note"));
            consumer.commitAsync(offsets, (map, error) -> done.complete(error));
            Expect.eventually("the commit is answered", () -> {
                consumer.poll(Cluster.POLL);
                return done.isDone();
            });
            Expect.equal(null, done.get(), "error of the commit");
            OffsetAndMetadata committed = consumer.committed(Set.of(first(topic))).get(first(topic));
            Expect.equal("2 a note", committed.offset() + " " + committed.metadata(), "committed");
        }
    }

    private static void autoCommit(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        String group = Cluster.unique("g");
        cluster.fill(topic, 1, 5);
        String[] settings = group(protocol, group, "enable.auto.commit", "true", "auto.commit.interval.ms", "200");
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.subscribe(List.of(topic));
            Cluster.poll(consumer, 5);
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer("group.id", group)) {
            Expect.equal(5L, consumer.committed(Set.of(first(topic))).get(first(topic)).offset(), "committed by closing");
        }
    }

    private static void pattern(Cluster cluster, String protocol) throws Exception {
        String prefix = Cluster.unique("pattern");
        cluster.fill(cluster.topic(prefix + "-a", 1), 1, 3);
        String[] settings = group(protocol, Cluster.unique("g"), "metadata.max.age.ms", "500");
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.subscribe(Pattern.compile(prefix + "-.*"));
            Cluster.poll(consumer, 3);
            // What was read is not to come again when the partitions are given out anew.
            consumer.commitSync();
            cluster.fill(cluster.topic(prefix + "-b", 1), 1, 3);
            Expect.equal(prefix + "-b", Cluster.poll(consumer, 3).get(0).topic(), "topic of the new records");
            Expect.equal(Set.of(prefix + "-a", prefix + "-b"), consumer.subscription(), "subscription");
        }
    }
}
