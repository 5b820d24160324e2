import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The broker that checks talk to: clients with small time limits, topics with names of their own. */
final class Cluster {
    static final Duration POLL = Duration.ofMillis(200);
    static final Duration WAIT = Duration.ofSeconds(45);

    final String bootstrap;

    Cluster(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    static String unique(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    /** Waits for the result of an asynchronous call. */
    static <T> T await(Future<T> future) throws Exception {
        return future.get(WAIT.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** `settings` are names and values in turn. */
    Map<String, Object> settings(String... settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        all.put("metadata.max.age.ms", "2000");
        for (int i = 0; i < settings.length; i += 2) all.put(settings[i], settings[i + 1]);
        return all;
    }

    Admin admin() {
        return Admin.create(settings());
    }

    KafkaProducer<String, String> producer(String... settings) {
        return new KafkaProducer<>(settings(settings), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(String... settings) {
        Map<String, Object> all = settings("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        all.putAll(settings(settings));
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    String topic(int partitions, String... configs) throws Exception {
        return topic(unique("java"), partitions, configs);
    }

    String topic(String name, int partitions, String... configs) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) settings.put(configs[i], configs[i + 1]);
        try (Admin admin = admin()) {
            NewTopic topic = new NewTopic(name, Optional.of(partitions), Optional.empty());
            await(admin.createTopics(List.of(topic.configs(settings))).all());
            // A topic that was just created may not be known yet to whoever answers.
            Expect.eventually("topic " + name + " is there", () -> exists(admin, name));
        }
        return name;
    }

    private static boolean exists(Admin admin, String name) throws Exception {
        return await(admin.listTopics().names()).contains(name);
    }

    /** Values v0, v1, … to partitions in turn, with keys k0, k1, …; returns when they are acknowledged. */
    void fill(String topic, int partitions, int records) throws Exception {
        fill(topic, partitions, 0, records);
    }

    void fill(String topic, int partitions, int first, int records) throws Exception {
        try (KafkaProducer<String, String> producer = producer()) {
            sendAll(producer, topic, partitions, first, records);
        }
    }

    static List<RecordMetadata> sendAll(
            KafkaProducer<String, String> producer, String topic, int partitions, int first, int records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = first; i < first + records; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, "k" + i, "v" + i)));
        }
        List<RecordMetadata> acknowledged = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) acknowledged.add(await(one));
        return acknowledged;
    }

    /** v`first` … as `fill` writes them. */
    static List<String> values(int first, int records) {
        return IntStream.range(first, first + records).mapToObj(i -> "v" + i).collect(Collectors.toList());
    }

    /** Exactly `count` records of partition 0 from the beginning, and a moment to see that there are no more. */
    List<ConsumerRecord<String, String>> readAll(String topic, int count, String... settings) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer(settings)) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            List<ConsumerRecord<String, String>> read = poll(consumer, count);
            consumer.poll(Duration.ofMillis(300)).forEach(read::add);
            Expect.equal(count, read.size(), "records in " + topic);
            return read;
        }
    }

    List<String> readValues(String topic, int count, String... settings) throws Exception {
        return valuesOf(readAll(topic, count, settings));
    }

    static List<String> valuesOf(List<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).collect(Collectors.toList());
    }

    /** Polls until `count` records came. */
    static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        long deadline = System.currentTimeMillis() + WAIT.toMillis();
        while (read.size() < count) {
            if (System.currentTimeMillis() > deadline) {
                throw new AssertionError("only " + read.size() + " of " + count + " records within " + WAIT);
            }
            consumer.poll(POLL).forEach(read::add);
        }
        return read;
    }
}
