import java.time.Duration;
import java.util.Map;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** A member of a group that polls on a thread of its own until it is told to go, and remembers what it was given. */
final class Member implements AutoCloseable, ConsumerRebalanceListener {
    private static final Duration STOP = Duration.ofSeconds(10);

    final AtomicInteger assigned = new AtomicInteger();
    final AtomicInteger revoked = new AtomicInteger();
    /** Values of the records it read, each committed after the poll that gave it. */
    final Collection<String> read = new ConcurrentLinkedQueue<>();
    private final Set<String> owned = new TreeSet<>();
    private final KafkaConsumer<String, String> consumer;
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile boolean stopping;
    private volatile Throwable failure;

    Member(Cluster cluster, List<String> topics, String... settings) {
        this(cluster, consumer -> {}, topics, settings);
    }

    /** `subscribe` replaces the subscription to topics when there are none. */
    Member(Cluster cluster, Consumer<Subscriber> subscribe, List<String> topics, String... settings) {
        consumer = cluster.consumer(settings);
        if (topics.isEmpty()) subscribe.accept(new Subscriber(consumer, this));
        else consumer.subscribe(topics, this);
        Thread thread = new Thread(this::run, "member");
        thread.setDaemon(true);
        thread.start();
    }

    /** What a subscription of another kind needs. */
    static final class Subscriber {
        final KafkaConsumer<String, String> consumer;
        final ConsumerRebalanceListener listener;

        Subscriber(KafkaConsumer<String, String> consumer, ConsumerRebalanceListener listener) {
            this.consumer = consumer;
            this.listener = listener;
        }
    }

    /** topic-partition names, in order. */
    Set<String> owned() {
        if (failure != null) throw new AssertionError("the member failed", failure);
        synchronized (owned) {
            return new TreeSet<>(owned);
        }
    }

    Throwable failure() {
        return failure;
    }

    private void run() {
        try {
            while (!stopping) {
                List<String> values = new ArrayList<>();
                for (ConsumerRecord<String, String> record : consumer.poll(Cluster.POLL)) values.add(record.value());
                if (values.isEmpty()) continue;
                read.addAll(values);
                consumer.commitSync();
            }
        } catch (Throwable error) {
            failure = error;
        } finally {
            try {
                consumer.close(STOP);
            } catch (Throwable ignored) {
                // What made the member fail is the news.
            }
            over.countDown();
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        assigned.incrementAndGet();
        synchronized (owned) {
            partitions.forEach(partition -> owned.add(partition.toString()));
        }
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        revoked.addAndGet(partitions.size());
        synchronized (owned) {
            partitions.forEach(partition -> owned.remove(partition.toString()));
        }
    }

    /** Leaves the group in order. */
    @Override
    public void close() throws InterruptedException {
        stopping = true;
        over.await();
    }
}
