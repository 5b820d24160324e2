import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;

/** What a producer sends arrives as it was sent, and what must be refused is refused with the right error. */
final class ProducerChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.add("producer: compression " + codec, () -> codec(cluster, codec));
        }
        for (String acks : List.of("0", "1", "all")) checks.add("producer: acks=" + acks, () -> acks(cluster, acks));
        checks.add("producer: idempotent, five requests in flight", () -> idempotent(cluster));
        checks.add("producer: headers", () -> headers(cluster));
        checks.add("producer: null keys and values", () -> nulls(cluster));
        checks.add("producer: records of 900 kB", () -> large(cluster));
        checks.add("producer: record beyond max.message.bytes is refused", () -> tooLarge(cluster));
        checks.add("producer: invalid topic name is refused", () -> invalidTopic(cluster));
        checks.add("producer: record without key on a compacted topic is refused", () -> keyless(cluster));
        checks.add("producer: create time and log append time", () -> timestamps(cluster));
        checks.add("producer: timestamp too far ahead is refused", () -> future(cluster));
        checks.add("producer: creates a topic by naming it", () -> autoCreate(cluster));
        checks.add("producer: partitions by key as before", () -> partitioner(cluster));
    }

    private static void codec(Cluster cluster, String codec) throws Exception {
        String topic = cluster.topic(1);
        List<String> sent = IntStream.range(0, 500)
                .mapToObj(i -> "Zürich 東京 " + i + " " + "ab".repeat(i))
                .collect(Collectors.toList());
        try (KafkaProducer<String, String> producer =
                cluster.producer("compression.type", codec, "linger.ms", "20", "batch.size", "65536")) {
            for (String value : sent) producer.send(new ProducerRecord<>(topic, 0, "key", value));
        }
        Expect.equal(sent, cluster.readValues(topic, sent.size()), "values");
    }

    private static void acks(Cluster cluster, String acks) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> producer = cluster.producer("acks", acks, "enable.idempotence", "false")) {
            List<RecordMetadata> sent = Cluster.sendAll(producer, topic, 1, 0, 50);
            boolean offsets = !acks.equals("0");
            Expect.equal(offsets, sent.get(49).hasOffset(), "an offset is told");
            if (offsets) Expect.equal(49L, sent.get(49).offset(), "last offset");
        }
        Expect.equal(Cluster.values(0, 50), cluster.readValues(topic, 50), "values");
    }

    private static void idempotent(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String[] settings = {"enable.idempotence", "true", "batch.size", "400", "linger.ms", "0"};
        try (KafkaProducer<String, String> producer = cluster.producer(settings)) {
            Cluster.sendAll(producer, topic, 1, 0, 2000);
        }
        Expect.equal(Cluster.values(0, 2000), cluster.readValues(topic, 2000), "values, in order");
    }

    private static void headers(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "k", "v");
            record.headers().add("a", bytes("1")).add("a", bytes("2")).add("empty", new byte[0]).add("null", null);
            Cluster.await(producer.send(record));
        }
        List<String> read = new ArrayList<>();
        for (Header header : cluster.readAll(topic, 1).get(0).headers()) {
            byte[] value = header.value();
            read.add(header.key() + "=" + (value == null ? null : new String(value, StandardCharsets.UTF_8)));
        }
        Expect.equal(List.of("a=1", "a=2", "empty=", "null=null"), read, "headers");
    }

    private static void nulls(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, null, "value")));
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "key", null)));
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "", "")));
        }
        List<String> read = cluster.readAll(topic, 3).stream().map(r -> r.key() + "=" + r.value()).collect(Collectors.toList());
        Expect.equal(List.of("null=value", "key=null", "="), read, "records");
    }

    private static void large(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        List<String> sent = IntStream.range(0, 5).mapToObj(i -> String.valueOf(i).repeat(900_000)).collect(Collectors.toList());
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            for (String value : sent) Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", value)));
        }
        // A fetch limit far below one record must still give it.
        Expect.equal(sent, cluster.readValues(topic, 5, "max.partition.fetch.bytes", "1000"), "values");
    }

    private static void tooLarge(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, "max.message.bytes", "20000");
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            Expect.fails(RecordTooLargeException.class,
                    () -> Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "x".repeat(30_000)))));
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "small")));
        }
        Expect.equal(List.of("small"), cluster.readValues(topic, 1), "values");
    }

    private static void invalidTopic(Cluster cluster) throws Exception {
        try (KafkaProducer<String, String> producer = cluster.producer("max.block.ms", "10000")) {
            Expect.fails(InvalidTopicException.class,
                    () -> Cluster.await(producer.send(new ProducerRecord<>("not a name!", "k", "v"))));
        }
    }

    private static void keyless(Cluster cluster) throws Exception {
        String topic = cluster.topic(1, "cleanup.policy", "compact");
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            Expect.fails(org.apache.kafka.common.InvalidRecordException.class,
                    () -> Cluster.await(producer.send(new ProducerRecord<>(topic, 0, null, "v"))));
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "v")));
        }
    }

    private static void timestamps(Cluster cluster) throws Exception {
        String created = cluster.topic(1, "message.timestamp.type", "CreateTime");
        String appended = cluster.topic(1, "message.timestamp.type", "LogAppendTime");
        long old = System.currentTimeMillis() - 100_000;
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            RecordMetadata first = Cluster.await(producer.send(new ProducerRecord<>(created, 0, old, "k", "v")));
            RecordMetadata second = Cluster.await(producer.send(new ProducerRecord<>(appended, 0, old, "k", "v")));
            Expect.equal(old, first.timestamp(), "timestamp of the first");
            Expect.isTrue(second.timestamp() > old + 90_000, "the producer is told the append time");
        }
        ConsumerRecord<String, String> first = cluster.readAll(created, 1).get(0);
        ConsumerRecord<String, String> second = cluster.readAll(appended, 1).get(0);
        Expect.equal(TimestampType.CREATE_TIME, first.timestampType(), "type of the first");
        Expect.equal(old, first.timestamp(), "timestamp of the first");
        Expect.equal(TimestampType.LOG_APPEND_TIME, second.timestampType(), "type of the second");
        Expect.isTrue(second.timestamp() > old + 90_000, "timestamp of the second");
    }

    private static void future(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        long ahead = System.currentTimeMillis() + 2 * 3600_000;
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            Expect.fails(InvalidTimestampException.class,
                    () -> Cluster.await(producer.send(new ProducerRecord<>(topic, 0, ahead, "k", "v"))));
        }
    }

    private static void autoCreate(Cluster cluster) throws Exception {
        String topic = Cluster.unique("auto");
        cluster.fill(topic, 1, 3);
        Expect.equal(Cluster.values(0, 3), cluster.readValues(topic, 3), "values");
        try (Admin admin = cluster.admin()) {
            Expect.isTrue(Cluster.await(admin.listTopics().names()).contains(topic), "the topic is listed");
        }
    }

    /** The same key always lands in the same partition, and several partitions are used. */
    private static void partitioner(Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        Map<String, Integer> places = new java.util.HashMap<>();
        for (int round = 0; round < 2; round++) {
            try (KafkaProducer<String, String> producer = cluster.producer()) {
                for (int i = 0; i < 20; i++) {
                    String key = "key" + i;
                    int partition = Cluster.await(producer.send(new ProducerRecord<>(topic, key, "v"))).partition();
                    Integer before = places.put(key, partition);
                    Expect.isTrue(before == null || before == partition, key + " moved");
                }
            }
        }
        Expect.equal(4, Math.toIntExact(places.values().stream().distinct().count()), "partitions in use");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
